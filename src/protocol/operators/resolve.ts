/**
 * An operator decides a transaction that has no decision. Refused where a decision exists, or may: while an append is
 * under way (R1), and where a participant has been handed its only branch (R17). A commit without all votes is a
 * heuristic from the first moment: nobody knows yet whether the branches that had not voted can follow.
 */
import { present } from '../../base/assert.ts'
import { PledgedError } from '../../base/errors.ts'
import type { Xid } from '../../base/ids.ts'
import {
  answerUnknown,
  commitMessages,
  decideAbort,
  decided,
  decisionRecord,
  stopVoting,
} from '../deciding.ts'
import { issuedHere } from '../lookup.ts'
import type { HeuristicRecord, OperatorRecord } from '../records.ts'
import type { Branch, Transaction, Turn } from '../state.ts'
import { heuristicKey, note } from '../state.ts'
import { type OperatorEvent, type Plan, quoted, type RequestOf } from './plan.ts'

export function planResolve(
  turn: Turn,
  { who, why }: OperatorEvent,
  { xid: text, decision }: RequestOf<'resolve_transaction'>,
): Plan {
  const transaction = undecided(turn, issuedHere(turn.state, text))
  const { xid } = transaction
  const operator: OperatorRecord = { type: 'operator', xid, decision, who, why, timeMs: turn.now.wallMs }
  const begun = `${decision} by ${who}: ${why}`
  return decision === 'commit'
    ? commitPlan(turn, transaction, operator, begun)
    : abortPlan(transaction, operator, begun)
}

function undecided(turn: Turn, xid: Xid): Transaction {
  const transaction = turn.state.transactions.get(xid)
  if (transaction === undefined) {
    throw new PledgedError('TRANSACTION_DECIDED', `${xid} has ended: ask for its outcome`)
  }
  if (transaction.decision !== undefined) throw hasDecision(transaction, transaction.decision)
  const [only] = transaction.branches
  if (transaction.phase === 'handed_over' && only !== undefined) {
    throw new PledgedError(
      'TRANSACTION_DECIDED',
      `${xid} has one branch, which ${quoted(only.participant)} commits by itself: only it can tell how it ended, and it is asked until it does`,
    )
  }
  if (transaction.phase !== 'active' && transaction.phase !== 'preparing') {
    throw new PledgedError(
      'APPEND_UNDER_WAY',
      `the decision of ${xid} is being written: ask again in a moment`,
    )
  }
  return transaction
}

function hasDecision(transaction: Transaction, decision: string): PledgedError {
  const ended = transaction.branches
    .filter(({ state }) => state === (decision === 'commit' ? 'committed' : 'aborted'))
    .map(({ participant }) => quoted(participant))
  const done = decision === 'commit' ? 'committed' : 'aborted'
  const which =
    ended.length === 0 ? '' : `, and ${ended.join(', ')} ${ended.length === 1 ? 'has' : 'have'} ${done}`
  return new PledgedError('TRANSACTION_DECIDED', `${decision} was decided for ${transaction.xid}${which}`)
}

function abortPlan(transaction: Transaction, operator: OperatorRecord, begun: string): Plan {
  return {
    consequences: transaction.branches.map(({ participant, state, byApplication }) => {
      if (state === 'prepared') return `${quoted(participant)} voted yes: it is told to abort`
      if (state === 'preparing') return `${quoted(participant)} has not voted: it is told to abort`
      if (byApplication !== undefined && state === 'enlisted')
        return `${quoted(participant)} is at work in its application, and may be prepared: it is rolled back`
      return `${quoted(participant)} has nothing to abort`
    }),
    result: 'aborted',
    records: [operator],
    begin: (turn) => {
      note(turn, transaction, 'operator', '', begun)
      stopVoting(turn, transaction)
      transaction.phase = 'resolving'
    },
    apply: (turn) => {
      decideAbort(turn, transaction, {
        cause: 'operator',
        message: 'an operator aborted it',
        retryable: false,
      })
    },
    fail: (turn) => answerUnknown(turn, transaction),
  }
}

function commitPlan(turn: Turn, transaction: Transaction, operator: OperatorRecord, begun: string): Plan {
  const { xid, branches } = transaction
  if (transaction.phase === 'active') {
    throw new PledgedError(
      'TRANSACTION_UNDECIDED',
      `${xid} has not been asked to commit: ${branches.length === 0 ? 'it has no branches yet' : 'its application may still be at work'}; abort it, or wait for its owner`,
    )
  }
  const unvoted = branches.filter(({ state }) => state !== 'prepared' && state !== 'read_only')
  const heuristics = unvoted.map((branch) => heuristicOf(turn, xid, branch, operator))
  return {
    consequences: branches.map(({ participant, state }) => {
      if (state === 'prepared') return `${quoted(participant)} voted yes: it commits`
      if (state === 'read_only') return `${quoted(participant)} was read-only: it has nothing to commit`
      return `${quoted(participant)} has not voted: if it can't follow, its branch ends against the decision; a heuristic is reported until it is acknowledged`
    }),
    result: unvoted.length === 0 ? 'committed' : `committed without the votes of ${namesOf(unvoted)}`,
    records: [operator, ...heuristics, decisionRecord(turn, transaction)],
    begin: (now) => {
      note(now, transaction, 'operator', '', begun)
      stopVoting(now, transaction)
      transaction.phase = 'appending'
      note(now, transaction, 'append_posted')
    },
    apply: (now) => {
      for (const record of heuristics) now.state.heuristics.set(heuristicKey(xid, record.participant), record)
      if (heuristics.length > 0)
        present(now.state.transactions.get(xid), 'a posted decision keeps it').heuristic = true
      decided(now, xid)
    },
    fail: (now) => answerUnknown(now, transaction),
    then: commitMessages(transaction),
  }
}

function heuristicOf(
  turn: Turn,
  xid: Xid,
  { participant }: Branch,
  { who }: OperatorRecord,
): HeuristicRecord {
  return {
    type: 'heuristic',
    xid,
    participant,
    ended: 'abort',
    evidence: 'none',
    message: `${who} committed the transaction before this branch had voted`,
    timeMs: turn.now.wallMs,
    withoutVote: true,
  }
}

function namesOf(branches: readonly Branch[]): string {
  return branches.map(({ participant }) => quoted(participant)).join(', ')
}
