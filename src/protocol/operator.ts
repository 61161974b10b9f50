/**
 * R15: an operator is an event in the core. Refused while an append is under way or a decision exists; recorded,
 * with who, when and why, before anything is sent; a commit without all votes is marked as a heuristic.
 */
import { present } from '../base/assert.ts'
import { PledgedError } from '../base/errors.ts'
import { guarded } from './admission.ts'
import { answerUnknown, commitMessages, decideAbort, decisionRecord, stopVoting } from './deciding.ts'
import type { AppendToken } from './effects.ts'
import type { Event } from './events.ts'
import { issuedHere } from './lookup.ts'
import type { LogRecord, OperatorRecord } from './records.ts'
import type { Transaction, Turn } from './state.ts'
import { note } from './state.ts'
import { viewOf } from './view.ts'

type ResolveEvent = Extract<Event, { type: 'resolve' }>

export function resolveTransaction(turn: Turn, event: ResolveEvent): void {
  guarded(turn, event.replyTo, () => {
    const xid = issuedHere(turn.state, event.xid)
    if (turn.state.failure !== undefined) throw turn.state.failure
    const transaction = turn.state.transactions.get(xid)
    if (transaction === undefined || transaction.decision !== undefined) {
      throw new PledgedError('TRANSACTION_DECIDED', `${xid} has a decision: ask for its outcome`)
    }
    if (transaction.phase !== 'active' && transaction.phase !== 'preparing') {
      throw new PledgedError(
        'APPEND_UNDER_WAY',
        `the decision of ${xid} is being written: ask again in a moment`,
      )
    }
    const operator: OperatorRecord = {
      type: 'operator',
      xid,
      decision: event.decision,
      who: event.who,
      why: event.why,
      timeMs: turn.now.wallMs,
    }
    note(turn, transaction, 'operator', '', `${event.decision} by ${event.who}: ${event.why}`)
    if (event.decision === 'commit') postCommit(turn, transaction, operator, event.replyTo)
    else postAbort(turn, transaction, operator, event.replyTo)
  })
}

function postAbort(turn: Turn, transaction: Transaction, operator: OperatorRecord, replyTo: number): void {
  stopVoting(turn, transaction)
  transaction.phase = 'resolving'
  post(turn, [operator], { of: 'operator', xid: transaction.xid, replyTo })
}

function postCommit(turn: Turn, transaction: Transaction, operator: OperatorRecord, replyTo: number): void {
  const allYes = transaction.branches.every(
    (branch) => branch.state === 'prepared' || branch.state === 'read_only',
  )
  // A branch that can't follow answers "broken" to its commit, and is recorded with its evidence then.
  if (!allYes) transaction.heuristic = true
  transaction.waiters.push({ replyTo, waitFor: 'decision', replayed: false, transaction })
  stopVoting(turn, transaction)
  transaction.phase = 'appending'
  note(turn, transaction, 'append_posted')
  turn.effects.push({
    type: 'append',
    records: [operator, decisionRecord(turn, transaction)],
    forced: true,
    token: { of: 'decision', xid: transaction.xid },
    then: commitMessages(transaction),
  })
}

function post(turn: Turn, records: LogRecord[], token: AppendToken): void {
  turn.effects.push({ type: 'append', records, forced: true, token, then: [] })
}

type OperatorToken = Extract<AppendToken, { of: 'operator' }>

export function operatorRecorded(turn: Turn, token: OperatorToken): void {
  const transaction = present(turn.state.transactions.get(token.xid), 'a resolving transaction stays')
  decideAbort(turn, transaction, { cause: 'operator', message: 'an operator aborted it', retryable: false })
  turn.effects.push({
    type: 'reply',
    replyTo: token.replyTo,
    transaction: viewOf(transaction),
    replayed: false,
  })
}

export function operatorNotRecorded(turn: Turn, token: OperatorToken, failure: PledgedError): void {
  answerUnknown(turn, present(turn.state.transactions.get(token.xid), 'a resolving transaction stays'))
  turn.effects.push({ type: 'refuse', replyTo: token.replyTo, error: failure })
}
