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
  const errors = awaited.flatMap((branch) => {
    const message = errorOf(branch, participants.get(branch.participant))
    return message === '' ? [] : [branch.attempts > 1 ? `${message} (${branch.attempts} times)` : message]
  })
  if (errors[0] !== undefined) return errors[0]
  const reason = abortReason(transaction)
  return reason === '' ? '-' : reason
}

/** The branch's own, else that of its participant as a whole. */
export function errorOf({ lastError }: BranchView, participant: ParticipantStatus | undefined): string {
  if (lastError !== undefined) return lastError.message
  if (participant === undefined) return ''
  if (participant.lastError !== '') return participant.lastError
  return participant.up ? '' : 'not connected'
}
