/**
 * The moment of decision. Commit: post the record (R1: from here only the log's answer moves the transaction), and
 * when it is durable answer the client and let phase two leave. Abort: no record is needed, it is presumed.
 */
import { assert, present } from '../base/assert.ts'
import type { PledgedError } from '../base/errors.ts'
import type { Xid } from '../base/ids.ts'
import { oweCommit } from './delivering.ts'
import { tell } from './early-pledge.ts'
import type { AppendToken, SendEffect } from './effects.ts'
import { endTransaction } from './ending.ts'
import { admitted } from './links.ts'
import { handedOver } from './one-phase.ts'
import { notOperated, operated } from './operators/index.ts'
import type { AbortCause, DecisionRecord } from './records.ts'
import type { Branch, Phase, Transaction, Turn } from './state.ts'
import { note, participantOf } from './state.ts'
import { viewOf } from './view.ts'

export interface AbortReason {
  readonly cause: AbortCause
  readonly message: string
  readonly retryable: boolean
}

/** The moment of commit: one forced write. What leaves for the participants is bound to it. */
export function postDecision(turn: Turn, transaction: Transaction): void {
  assert(transaction.decision === undefined, 'a decision never changes (I3)')
  stopVoting(turn, transaction)
  transaction.phase = 'appending'
  if (turn.state.failure !== undefined) {
    answerUnknown(turn, transaction)
    return
  }
  note(turn, transaction, 'append_posted')
  turn.effects.push({
    type: 'append',
    records: [decisionRecord(turn, transaction)],
    forced: true,
    token: { of: 'decision', xid: transaction.xid },
    then: commitMessages(transaction),
  })
}

export function decisionRecord(turn: Turn, transaction: Transaction): DecisionRecord {
  return {
    type: 'decision',
    xid: transaction.xid,
    branches: transaction.branches.filter(mustBeTold).map((branch) => branch.participant),
    readOnly: transaction.branches
      .filter((branch) => branch.state === 'read_only')
      .map((branch) => branch.participant),
    owner: transaction.owner,
    request: transaction.request,
    createTimeMs: transaction.createTimeMs,
    decideTimeMs: turn.now.wallMs,
    traceparent: transaction.traceparent === '' ? undefined : transaction.traceparent,
  }
}

export function commitMessages(transaction: Transaction): SendEffect[] {
  const told = transaction.branches.filter(
    (branch) => mustBeTold(branch) && branch.byApplication === undefined,
  )
  return told.map((branch) => ({
    type: 'send',
    participant: branch.participant,
    message: { type: 'commit', xid: transaction.xid },
  }))
}

function mustBeTold(branch: Branch): boolean {
  return branch.state !== 'read_only'
}

/** The log has answered: what was posted is on stable storage. */
export function appended(turn: Turn, token: Exclude<AppendToken, { of: 'end' }>): void {
  switch (token.of) {
    case 'decision':
      return decided(turn, token.xid)
    case 'participant':
      return admitted(turn, token.name, token.link)
    case 'operator':
      return operated(turn, token)
    case 'one_phase':
      return handedOver(turn, token)
    case 'heuristic':
    case 'superseded':
    case 'audit':
      return
  }
}

/** R6: after a failed write nothing is decided any more; those who waited are told that nobody knows. */
export function appendFailed(turn: Turn, token: AppendToken, failure: PledgedError): void {
  turn.state.failure ??= failure
  if (token.of === 'decision' || token.of === 'one_phase') {
    const transaction = turn.state.transactions.get(token.xid)
    if (transaction !== undefined) answerUnknown(turn, transaction)
  }
  if (token.of === 'operator') notOperated(turn, token, failure)
}

export function answerUnknown(turn: Turn, transaction: Transaction): void {
  transaction.unknown = true
  answerWaiters(turn, transaction)
}

export function decided(turn: Turn, xid: Xid): void {
  const transaction = present(turn.state.transactions.get(xid), 'a posted decision keeps its transaction')
  assert(transaction.phase === 'appending', 'only the append leads to a commit (R1)')
  transaction.recorded = true
  bookCommit(turn, transaction, 'commit')
  for (const branch of transaction.branches.filter(mustBeTold)) {
    branch.state = 'committing'
    transaction.unacknowledged += 1
    if (branch.byApplication === undefined) oweCommit(turn, transaction, branch)
    else tell(turn, transaction, branch, 'commit')
  }
  answerDecision(turn, transaction)
  if (transaction.unacknowledged === 0) endTransaction(turn, transaction)
}

/** Nothing changes it any more (I3). */
export function bookCommit(turn: Turn, transaction: Transaction, how: string): void {
  transaction.phase = 'committing'
  transaction.decision = 'commit'
  transaction.unknown = false
  transaction.decideTimeMs = turn.now.wallMs
  turn.state.committed += 1
  settleRequest(turn, transaction, 'committed')
  note(turn, transaction, 'decided', '', how)
}

/** handed_over: its participant has said that nothing was committed. */
const ABORTABLE: ReadonlySet<Phase> = new Set(['active', 'preparing', 'resolving', 'handed_over'])

/** Nothing is posted, nothing will be: abort needs no record. The caller is told at once. */
export function decideAbort(turn: Turn, transaction: Transaction, reason: AbortReason): void {
  assert(
    ABORTABLE.has(transaction.phase),
    `an append was posted, nothing can abort (R1): ${transaction.phase}`,
  )
  stopVoting(turn, transaction)
  transaction.phase = 'aborting'
  transaction.decision = 'abort'
  transaction.unknown = false
  transaction.cause = reason.cause
  transaction.message = reason.message
  transaction.retryable = reason.retryable
  transaction.decideTimeMs = turn.now.wallMs
  turn.state.aborted += 1
  settleRequest(turn, transaction, 'aborted')
  note(turn, transaction, 'decided', '', `abort: ${reason.message}`)
  for (const branch of transaction.branches) {
    if (mayBePrepared(branch)) {
      branch.state = 'aborting'
      transaction.unacknowledged += 1
      tell(turn, transaction, branch, 'abort')
    } else if (branch.state === 'enlisted') {
      branch.state = 'aborted'
    }
  }
  answerDecision(turn, transaction)
  if (transaction.unacknowledged === 0) endTransaction(turn, transaction)
}

/** What its application has enlisted it may have prepared, or may prepare yet. */
function mayBePrepared({ state, byApplication }: Branch): boolean {
  return (
    state === 'preparing' || state === 'prepared' || (state === 'enlisted' && byApplication !== undefined)
  )
}

/** Nobody has anything to commit. The record is for those who ask later; nothing waits for it. */
export function decideReadOnly(turn: Turn, transaction: Transaction): void {
  stopVoting(turn, transaction)
  bookCommit(turn, transaction, 'commit: every branch was read-only')
  answerDecision(turn, transaction)
  endTransaction(turn, transaction)
}

export function stopVoting(turn: Turn, transaction: Transaction): void {
  turn.state.deadlines.delete(transaction)
  for (const branch of transaction.branches)
    participantOf(turn, branch.participant).voting.delete(transaction)
}

function settleRequest(turn: Turn, transaction: Transaction, outcome: 'committed' | 'aborted'): void {
  if (transaction.request !== undefined) {
    turn.state.requests.settle(transaction.request, transaction.xid, outcome)
  }
}

/** At the decision: all are told but those who wait for the completion of a commit. */
export function answerDecision(turn: Turn, transaction: Transaction): void {
  if (transaction.decision === 'abort') {
    answerWaiters(turn, transaction)
    return
  }
  const stay = transaction.waiters.filter((waiter) => waiter.waitFor === 'completion')
  transaction.waiters = transaction.waiters.filter((waiter) => waiter.waitFor === 'decision')
  answerWaiters(turn, transaction)
  transaction.waiters = stay
}

export function answerWaiters(turn: Turn, transaction: Transaction): void {
  if (transaction.waiters.length === 0) return
  const view = viewOf(transaction)
  for (const waiter of transaction.waiters) {
    turn.state.waiterDeadlines.delete(waiter)
    const { replyTo, replayed } = waiter
    turn.effects.push({ type: 'reply', replyTo, transaction: view, replayed })
  }
  transaction.waiters = []
}
