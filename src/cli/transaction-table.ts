/** Transactions as rows. */
import type { BranchView, TransactionView } from '../protocol/requests.ts'
import type { ParticipantStatus } from '../wire/generated/pledged/v1/participant.ts'
import { formatAge } from './durations.ts'
import type { Style } from './style.ts'
import type { Cell, Table } from './table.ts'
import { abortReason, isAwaited } from './words.ts'

export interface TransactionTableContext {
  /** By name: what went wrong with the whole of a participant is not booked on each of its branches. */
  readonly participants: ReadonlyMap<string, ParticipantStatus>
  readonly nowMs: number
}

export function transactionTable(
  transactions: readonly TransactionView[],
  context: TransactionTableContext,
): Table {
  return {
    heading: ['XID', 'STATE', 'AGE', 'WAITING FOR', 'LAST ERROR'],
    rows: transactions.map((transaction) => row(transaction, context)),
  }
}

function row(
  transaction: TransactionView,
  { participants, nowMs }: TransactionTableContext,
): (string | Cell)[] {
  const waitingFor = transaction.branches.filter(isAwaited).map(({ participant }) => participant)
  return [
    transaction.xid,
    { text: stateText(transaction), style: stateStyle(transaction) },
    transaction.createTimeMs === 0 ? '-' : formatAge(nowMs - transaction.createTimeMs),
    waitingFor.length === 0 ? '-' : waitingFor.join(', '),
    lastError(transaction, participants),
  ]
}

/** An outcome that nobody can say, and a broken pledge, are never shown as an ordinary state (I1, I7). */
export function stateText({ state, outcome, heuristic }: TransactionView): string {
  if (outcome === 'unknown') return 'unknown'
  return heuristic ? `${state}, heuristic` : state
}

export function stateStyle({ state, outcome, heuristic }: TransactionView): Style | undefined {
  if (outcome === 'unknown' || heuristic) return 'red'
  if (state === 'committing' || state === 'aborting') return 'yellow'
  return state === 'committed' ? 'green' : undefined
}

function lastError(
  transaction: TransactionView,
  participants: TransactionTableContext['participants'],
): string {
  const awaited = transaction.branches.filter(isAwaited)
  for (const branch of awaited) {
    const { message, times } = errorOf(branch, participants.get(branch.participant))
    if (message !== '') return times > 1 ? `${message} (${times} times)` : message
  }
  const reason = abortReason(transaction)
  return reason === '' ? '-' : reason
}

export interface BranchError {
  /** Empty: there is none. */
  readonly message: string
  readonly times: number
}

/**
 * The branch's own, where its participant is there to be told; that of the participant, where it isn't: what was said
 * last of all counts.
 */
export function errorOf(
  { lastError, attempts }: BranchView,
  participant: ParticipantStatus | undefined,
): BranchError {
  const isThere = participant === undefined || participant.up
  if (!isThere && participant.lastError !== '') return errorOfParticipant(participant)
  if (lastError !== undefined) return { message: shortError(lastError.message), times: attempts }
  if (participant !== undefined && participant.lastError !== '') return errorOfParticipant(participant)
  return { message: isThere ? '' : 'not connected', times: 1 }
}

function errorOfParticipant({ lastError, failures }: ParticipantStatus): BranchError {
  return { message: shortError(lastError), times: failures }
}

/** The participant is named beside it: `... can't be reached (connection refused): is it running ...?` */
function shortError(message: string): string {
  return /can't be reached \(([^()]+)\)/.exec(message)?.[1] ?? message
}
