/** The end: every branch has acknowledged, and the log is told, lazily. */
import { present } from '../base/assert.ts'
import { answerWaiters, decisionRecord } from './deciding.ts'
import type { Transaction, Turn } from './state.ts'
import { note } from './state.ts'

/** A decision whose last branches were found broken before the crash, and only its end record was lost. */
export function endReplayed(turn: Turn): void {
  for (const transaction of turn.state.transactions.values()) {
    if (transaction.phase === 'committing' && transaction.unacknowledged === 0)
      endTransaction(turn, transaction)
  }
}

/** Every branch has acknowledged. The record is lazy: losing it costs a delivery that is answered "done before". */
export function endTransaction(turn: Turn, transaction: Transaction): void {
  transaction.phase = 'ended'
  transaction.endTimeMs = turn.now.wallMs
  note(turn, transaction, 'ended')
  answerWaiters(turn, transaction)
  const commits = transaction.decision === 'commit'
  const end = { type: 'end', xid: transaction.xid, endTimeMs: turn.now.wallMs } as const
  turn.effects.push({
    type: 'append',
    records: !commits
      ? [abortedRecord(transaction, turn.now.wallMs)]
      : transaction.recorded
        ? [end]
        : // All read-only, or committed in one phase: for those who ask later.
          [decisionRecord(turn, transaction), end],
    forced: false,
    token: { of: 'end', xid: transaction.xid },
    then: [],
  })
}

function abortedRecord(transaction: Transaction, endTimeMs: number) {
  return {
    type: 'aborted',
    xid: transaction.xid,
    branches: transaction.branches.map((branch) => branch.participant),
    owner: transaction.owner,
    request: transaction.request,
    cause: present(transaction.cause, 'an aborted transaction has a cause'),
    message: transaction.message,
    retryable: transaction.retryable,
    createTimeMs: transaction.createTimeMs,
    decideTimeMs: transaction.decideTimeMs ?? endTimeMs,
    endTimeMs,
    traceparent: transaction.traceparent === '' ? undefined : transaction.traceparent,
  } as const
}
