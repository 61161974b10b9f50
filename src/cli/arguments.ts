/** What several commands take, and how a mistake in it is told. */
import { type Command, InvalidArgumentError } from 'commander'
import { PledgedError } from '../base/errors.ts'
import { isParticipantName } from '../base/ids.ts'
import { reasonLengthMax } from '../base/limits.ts'
import { TRANSACTION_STATES, type TransactionState } from '../protocol/requests.ts'

const LIMIT_MAX = 100_000

export const XID_ARGUMENT = [
  '<xid>',
  'LOG.EPOCH.SEQUENCE, or EPOCH.SEQUENCE, with the epoch in full or by its number',
] as const

export function parseName(text: string): string {
  if (isParticipantName(text)) return text
  throw new InvalidArgumentError("A name has 1 to 32 of a-z, 0-9 and '-'.")
}

/** Of an argument, which commander leaves to us. */
export function checkedName(text: string): string {
  if (isParticipantName(text)) return text
  throw new PledgedError(
    'USAGE',
    `${JSON.stringify(text)} is no participant's name: it has 1 to 32 of a-z, 0-9 and '-'; \`pledged participant list\` shows them`,
  )
}

export function parseLimit(text: string): number {
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= LIMIT_MAX) return limit
  throw new InvalidArgumentError(`It takes a number from 1 to ${LIMIT_MAX}.`)
}

export function collectState(
  text: string,
  before: readonly TransactionState[] = [],
): readonly TransactionState[] {
  const state = TRANSACTION_STATES.find((word) => word === text.toLowerCase())
  if (state === undefined) throw new InvalidArgumentError(`A state is ${TRANSACTION_STATES.join(', ')}.`)
  return [...before, state]
}

/** What an operator does is read by others later: the reason is never left out. */
export function requireReason(command: Command): Command {
  return command.requiredOption('--reason <text>', 'why, for those who read the audit later', parseReason)
}

export function parseReason(text: string): string {
  const reason = text.trim()
  if (reason === '') throw new InvalidArgumentError('Say why: it is kept in the audit.')
  if (reason.length > reasonLengthMax) {
    throw new InvalidArgumentError(`It has at most ${reasonLengthMax} characters.`)
  }
  return reason
}
