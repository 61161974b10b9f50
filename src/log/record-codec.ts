/**
 * Record <-> stored body: JSON text on one line. The format's version is the log's (see sqlite/migrations.ts),
 * not the record's. Reading checks every field: a coordinator must not act on half a decision.
 */
import { messageOf, PledgedError } from '../base/errors.ts'
import { isEpoch, isParticipantName, isXid } from '../base/ids.ts'
import type { Evidence, Verb } from '../protocol/messages.ts'
import { ABORT_CAUSES, OPERATOR_ACTIONS } from '../protocol/records.ts'
import { ENDS_SPAN_MAX, type StoredRecord } from './stored-record.ts'

type Check = (value: unknown) => boolean
/** A field that is added to a record and not checked here doesn't compile. */
type Shapes = {
  readonly [Type in StoredRecord['type']]: {
    readonly [Field in keyof Required<Extract<StoredRecord, { readonly type: Type }>>]: Check
  }
}

const VERBS: readonly Verb[] = ['commit', 'abort']
const EVIDENCES: readonly Evidence[] = ['none', 'witness_committed', 'witness_aborted', 'no_witness']

const text: Check = (value) => typeof value === 'string'
const flag: Check = (value) => typeof value === 'boolean'
const timeMs: Check = (value) => typeof value === 'number' && Number.isFinite(value)
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const xid: Check = (value) => typeof value === 'string' && isXid(value)
const epoch: Check = (value) => typeof value === 'string' && isEpoch(value)
const participant: Check = (value) => typeof value === 'string' && isParticipantName(value)
const within: Check = (value) => typeof value === 'string' && isXid(`${value}.1`)
const ends: Check = (value) => {
  if (!Array.isArray(value) || value.length === 0) return false
  const [first] = value[0] as readonly [number]
  let before = 0
  for (const end of value as readonly unknown[]) {
    if (!Array.isArray(end) || end.length !== 2 || !count(end[0]) || !timeMs(end[1])) return false
    const sequence = end[0] as number
    if (sequence <= before || sequence - first >= ENDS_SPAN_MAX) return false
    before = sequence
  }
  return true
}
const request: Check = (value) => {
  if (typeof value !== 'object' || value === null) return false
  const { caller, requestId, attempt, digest } = value as Record<string, unknown>
  return text(caller) && text(requestId) && count(attempt) && text(digest)
}

const SHAPES: Shapes = {
  decision: {
    type: text,
    xid,
    branches: listOf(participant),
    readOnly: listOf(participant),
    owner: text,
    request: optional(request),
    createTimeMs: timeMs,
    decideTimeMs: timeMs,
    traceparent: optional(text),
  },
  one_phase: {
    type: text,
    xid,
    participant,
    owner: text,
    request: optional(request),
    createTimeMs: timeMs,
    traceparent: optional(text),
  },
  end: { type: text, xid, endTimeMs: timeMs },
  aborted: {
    type: text,
    xid,
    branches: listOf(participant),
    owner: text,
    request: optional(request),
    cause: oneOf(ABORT_CAUSES),
    message: text,
    retryable: flag,
    createTimeMs: timeMs,
    decideTimeMs: timeMs,
    endTimeMs: timeMs,
    traceparent: optional(text),
  },
  heuristic: {
    type: text,
    xid,
    participant,
    ended: oneOf(VERBS),
    evidence: oneOf(EVIDENCES),
    message: text,
    timeMs,
    withoutVote: optional(flag),
  },
  participant: { type: text, name: participant, kind: text, resourceId: text, keepsWitnesses: flag, timeMs },
  operator: { type: text, xid, decision: oneOf(VERBS), who: text, why: text, timeMs },
  superseded: { type: text, participant, message: text, timeMs },
  acknowledgement: { type: text, xid, participants: listOf(participant), who: text, why: text, timeMs },
  branch_forgotten: { type: text, xid, participant, who: text, why: text, timeMs },
  pause: { type: text, participant, paused: flag, who: text, why: text, timeMs },
  audit: {
    type: text,
    action: oneOf(OPERATOR_ACTIONS),
    subject: text,
    participant: text,
    who: text,
    why: text,
    result: text,
    timeMs,
  },
  epochs: { type: text, epochs: listOf(epoch), timeMs },
  ends: { type: text, within, ends },
  forgotten: { type: text, epochNumber: count, sequence: count },
}
const FIELDS = new Map(Object.entries(SHAPES).map(([type, shape]) => [type, Object.entries(shape)]))

export function encodeRecord(record: StoredRecord): string {
  return JSON.stringify(record)
}

/** Throws LOG_DAMAGED with what is wrong; the caller adds where. */
export function decodeRecord(body: string): StoredRecord {
  const record = parse(body)
  const fault = faultIn(record)
  if (fault !== undefined) throw damaged(fault)
  return record as StoredRecord
}

/** What is wrong with it, in words; undefined: encoded, it could be read back. */
export function faultIn(record: { readonly type?: unknown }): string | undefined {
  const fields = FIELDS.get(String(record.type))
  if (fields === undefined) return `a record of the unknown type ${JSON.stringify(record.type)}`
  for (const [field, check] of fields) {
    if (!check((record as Readonly<Record<string, unknown>>)[field]))
      return `a record of type ${String(record.type)} whose ${field} is wrong`
  }
  return undefined
}

function parse(body: string): { readonly type?: unknown } {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (error) {
    throw damaged(`a record that is not JSON (${messageOf(error)})`)
  }
  if (typeof value !== 'object' || value === null) throw damaged('a record that is not an object')
  return value
}

function damaged(what: string): PledgedError {
  return new PledgedError('LOG_DAMAGED', what)
}

function optional(check: Check): Check {
  return (value) => value === undefined || check(value)
}

function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check)
}

function oneOf(words: readonly string[]): Check {
  return (value) => words.includes(value as string)
}
