/**
 * A message of the contract as the JSON that the command line prints: snake_case keys, enum values in lower case
 * without their prefix, times as RFC 3339, durations as `3s`, 64-bit integers as strings, bytes as base64. Every
 * field is there; what is not set, or unspecified, is null.
 *
 * The generated toJSON knows which number is an enum and what it is called; the message beside it still knows which
 * string was a time or a 64-bit integer. Walked together they need no table of fields.
 */
import * as admin from './generated/pledged/v1/admin_service.ts'
import * as branch from './generated/pledged/v1/branch.ts'
import * as participant from './generated/pledged/v1/participant.ts'
import * as transaction from './generated/pledged/v1/transaction.ts'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** A generated message type, such as Transaction. */
export interface JsonType<Message> {
  toJSON(message: Message): unknown
}

export function toJson<Message>(type: JsonType<Message>, message: Message): Json {
  return walk(message, type.toJSON(message))
}

/** `3s`, `0.25s`, `-1.5s`; as protobuf's own JSON. */
export function durationText(duration: { readonly seconds: bigint; readonly nanos: number }): string {
  const negative = duration.seconds < 0n || duration.nanos < 0
  const seconds = duration.seconds < 0n ? -duration.seconds : duration.seconds
  const fraction = String(Math.abs(duration.nanos)).padStart(9, '0').replace(/0+$/, '')
  return `${negative ? '-' : ''}${seconds}${fraction === '' ? '' : `.${fraction}`}s`
}

/** Every enum of the contract, with the function that names its values. */
const ENUMS: readonly (readonly [Readonly<Record<string, number>>, (value: never) => string])[] = [
  [branch.Vote, branch.voteToJSON],
  [branch.Decision, branch.decisionToJSON],
  [branch.BranchResult, branch.branchResultToJSON],
  [branch.Evidence, branch.evidenceToJSON],
  [transaction.State, transaction.stateToJSON],
  [transaction.Outcome, transaction.outcomeToJSON],
  [transaction.AbortCause, transaction.abortCauseToJSON],
  [transaction.WaitFor, transaction.waitForToJSON],
  [transaction.BranchState, transaction.branchStateToJSON],
  [transaction.TimelineEvent_Kind, transaction.timelineEvent_KindToJSON],
  [participant.ParticipantLink, participant.participantLinkToJSON],
  [participant.ParticipantState, participant.participantStateToJSON],
  [admin.BranchMatch, admin.branchMatchToJSON],
  [admin.LogLevel, admin.logLevelToJSON],
]

/** From the contract's name of a value (`STATE_COMMITTED`) to ours; null for one that says nothing. */
const ENUM_WORDS = new Map<string, string | null>(
  ENUMS.flatMap(([values, nameOf]) =>
    Object.entries(values).map(
      ([key, value]) => [nameOf(value as never), key === 'UNSPECIFIED' ? null : key.toLowerCase()] as const,
    ),
  ),
)

function walk(value: unknown, json: unknown): Json {
  if (value === undefined || value === null) return null
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  switch (typeof value) {
    case 'bigint':
      return value.toString()
    case 'number':
      return typeof json === 'string' ? enumWord(json) : value
    case 'string':
    case 'boolean':
      return value
    default:
      return walkObject(value, json)
  }
}

function walkObject(value: object, json: unknown): Json {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) {
    const items: unknown[] = Array.isArray(json) ? json : []
    return value.map((item, index) => walk(item, items[index]))
  }
  if (isDuration(value)) return durationText(value)
  const named = json as Record<string, unknown>
  const result: { [key: string]: Json } = {}
  for (const [key, field] of Object.entries(value)) {
    const choice = oneofOf(field)
    if (choice !== undefined) result[snakeCase(choice.$case)] = walk(choice.value, named[choice.$case])
    // The contract's only maps: their keys are data, not names of fields.
    else if (key === 'metadata') result[key] = { ...(field as Record<string, string>) }
    else result[snakeCase(key)] = walk(field, named[key])
  }
  return result
}

/** A name that isn't in the table is of a newer daemon. */
function enumWord(name: string): string | null {
  const word = ENUM_WORDS.get(name)
  return word === undefined ? 'unrecognized' : word
}

function isDuration(value: object): value is { seconds: bigint; nanos: number } {
  return 'seconds' in value && typeof value.seconds === 'bigint' && 'nanos' in value
}

function oneofOf(field: unknown): { $case: string; value: unknown } | undefined {
  if (typeof field !== 'object' || field === null || !('$case' in field)) return undefined
  return field as { $case: string; value: unknown }
}

function snakeCase(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
