/**
 * From the decision to the end. Commit: post the record (R1: from here only the log's answer moves the
 * transaction), and when it is durable answer the client and let phase two leave. Abort: no record is needed, it
 * is presumed. Then each branch acknowledges, at once or through recovery, and the end is written lazily.
 */
import { assert, present } from '../base/assert.ts'
import type { PledgedError } from '../base/errors.ts'
import type { Xid } from '../base/ids.ts'
import type { AppendToken, SendEffect } from './effects.ts'
import { admitted } from './links.ts'
import type { ParticipantMessage, Verb } from './messages.ts'
import { operatorNotRecorded, operatorRecorded } from './operator.ts'
import type { AbortCause, DecisionRecord, HeuristicRecord } from './records.ts'
import type { Branch, ParticipantState, Transaction, Turn } from './state.ts'
import { heuristicKey, note } from './state.ts'
import { viewOf } from './view.ts'

export interface AbortReason {
  readonly cause: AbortCause
  readonly message: string
  readonly retryable: boolean
}

export function participantOf(turn: Turn, name: string): ParticipantState {
  return present(turn.state.participants.get(name), `participant ${name} is registered`)
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
  return transaction.branches.filter(mustBeTold).map((branch) => ({
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
      return operatorRecorded(turn, token)
    case 'heuristic':
      return
  }
}

/** R6: after a failed write nothing is decided any more; those who waited are told that nobody knows. */
export function appendFailed(turn: Turn, token: AppendToken, failure: PledgedError): void {
  turn.state.failure ??= failure
  if (token.of === 'decision') {
    const transaction = turn.state.transactions.get(token.xid)
    if (transaction !== undefined) answerUnknown(turn, transaction)
  }
  if (token.of === 'operator') operatorNotRecorded(turn, token, failure)
}

export function answerUnknown(turn: Turn, transaction: Transaction): void {
  transaction.unknown = true
  answerWaiters(turn, transaction)
}

function decided(turn: Turn, xid: Xid): void {
  const transaction = present(turn.state.transactions.get(xid), 'a posted decision keeps its transaction')
  assert(transaction.phase === 'appending', 'only the append leads to a commit (R1)')
  transaction.phase = 'committing'
  transaction.decision = 'commit'
  transaction.decideTimeMs = turn.now.wallMs
  turn.state.committed += 1
  settleRequest(turn, transaction, 'committed')
  note(turn, transaction, 'decided', '', 'commit')
  for (const branch of transaction.branches) {
    if (mustBeTold(branch)) oweCommit(turn, transaction, branch)
  }
  answerDecision(turn, transaction)
}

/** The message itself leaves with the append's `then`; here it is only booked. */
function oweCommit(turn: Turn, transaction: Transaction, branch: Branch): void {
  branch.state = 'committing'
  transaction.unacknowledged += 1
  owe(turn, participantOf(turn, branch.participant), transaction, branch, 'commit')
}

/** Books a decision that a branch must be told. On a link that is up it is being sent in this very turn. */
function owe(
  turn: Turn,
  participant: ParticipantState,
  transaction: Transaction,
  branch: Branch,
  verb: Verb,
): void {
  const up = participant.link !== undefined
  participant.owed.set(transaction.xid, {
    verb,
    transaction,
    sentMs: up ? turn.now.monotonicMs : undefined,
    attempts: up ? 1 : 0,
    sinceTimeMs: turn.now.wallMs,
    lastError: up ? '' : 'not connected',
  })
  branch.attempts = up ? 1 : 0
  if (up) note(turn, transaction, 'delivery_tried', branch.participant)
  else trouble(turn, participant, transaction.xid, 'owed', 'not connected')
}

/** Hands a decision that could not be delivered to recovery. */
export function trouble(
  turn: Turn,
  participant: ParticipantState,
  xid: Xid,
  type: 'owed' | 'delivery_failed',
  reason: string,
): void {
  participant.troubled.add(xid)
  turn.effects.push({ type: 'recovery', participant: participant.name, signal: { type, reason } })
}

/** Nothing is posted, nothing will be: abort needs no record. The caller is told at once. */
export function decideAbort(turn: Turn, transaction: Transaction, reason: AbortReason): void {
  assert(
    transaction.phase === 'active' || transaction.phase === 'preparing' || transaction.phase === 'resolving',
    `an append was posted, nothing can abort (R1): ${transaction.phase}`,
  )
  stopVoting(turn, transaction)
  transaction.phase = 'aborting'
  transaction.decision = 'abort'
  transaction.cause = reason.cause
  transaction.message = reason.message
  transaction.retryable = reason.retryable
  transaction.decideTimeMs = turn.now.wallMs
  turn.state.aborted += 1
  settleRequest(turn, transaction, 'aborted')
  note(turn, transaction, 'decided', '', `abort: ${reason.message}`)
  for (const branch of transaction.branches) {
    if (branch.state === 'preparing' || branch.state === 'prepared') {
      branch.state = 'aborting'
      transaction.unacknowledged += 1
      const participant = participantOf(turn, branch.participant)
      owe(turn, participant, transaction, branch, 'abort')
      if (participant.link !== undefined) sendVerb(turn, participant, transaction.xid, 'abort')
    } else if (branch.state === 'enlisted') {
      branch.state = 'aborted'
    }
  }
  answerDecision(turn, transaction)
  if (transaction.unacknowledged === 0) endTransaction(turn, transaction)
}

/** Nobody has anything to commit. The record is for those who ask later; nothing waits for it. */
export function decideReadOnly(turn: Turn, transaction: Transaction): void {
  stopVoting(turn, transaction)
  transaction.phase = 'committing'
  transaction.decision = 'commit'
  transaction.decideTimeMs = turn.now.wallMs
  turn.state.committed += 1
  settleRequest(turn, transaction, 'committed')
  note(turn, transaction, 'decided', '', 'commit: every branch was read-only')
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
function answerDecision(turn: Turn, transaction: Transaction): void {
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

function sendVerb(turn: Turn, participant: ParticipantState, xid: Xid, verb: Verb): void {
  turn.effects.push({ type: 'send', participant: participant.name, message: { type: verb, xid } })
}

/** Sends the decision of an unended transaction to one branch, again. */
export function sendDecision(
  turn: Turn,
  participant: ParticipantState,
  transaction: Transaction,
  branch: Branch,
): void {
  const verb = present(transaction.decision, 'only a decision is delivered')
  if (branch.state === 'aborted') {
    // It had voted no, or was never asked, and now says that it has pledged: it must be told like the others.
    branch.state = 'aborting'
    transaction.unacknowledged += 1
  }
  owe(turn, participant, transaction, branch, verb)
  if (participant.link !== undefined) sendVerb(turn, participant, transaction.xid, verb)
}

/** Recovery's sweep: every decision that the participant has not acknowledged, all at once. */
export function deliverOwed(turn: Turn, name: string): void {
  const participant = participantOf(turn, name)
  if (participant.link === undefined) return
  for (const [xid, owed] of participant.owed) {
    if (owed.sentMs !== undefined && !participant.troubled.has(xid)) continue
    owed.sentMs = turn.now.monotonicMs
    owed.attempts += 1
    participant.troubled.add(xid)
    const branch = owed.transaction?.branches.find((other) => other.participant === name)
    if (branch !== undefined) branch.attempts = owed.attempts
    if (owed.transaction !== undefined) note(turn, owed.transaction, 'delivery_tried', name)
    sendVerb(turn, participant, xid, owed.verb)
  }
  if (participant.troubled.size === 0) {
    turn.effects.push({ type: 'recovery', participant: name, signal: { type: 'settled' } })
  }
}

export function receiveResult(
  turn: Turn,
  participant: ParticipantState,
  message: Extract<ParticipantMessage, { type: 'result' }>,
): void {
  const owed = participant.owed.get(message.xid)
  if (owed === undefined || owed.verb !== message.verb) return
  const branch = owed.transaction?.branches.find((other) => other.participant === participant.name)
  if (branch !== undefined) branch.evidence = message.evidence
  switch (message.result) {
    case 'done':
    case 'done_before':
      return acknowledged(turn, participant, message.xid, 'acknowledged', message.message)
    case 'broken':
      breakPledge(turn, participant, message)
      return acknowledged(turn, participant, message.xid, 'broken', message.message)
    case 'unknown': {
      const reason = message.message === '' ? 'the participant can not say' : message.message
      owed.sentMs = undefined
      owed.lastError = reason
      if (branch !== undefined) branch.lastError = { message: reason, timeMs: turn.now.wallMs }
      return trouble(turn, participant, message.xid, 'delivery_failed', reason)
    }
  }
}

function acknowledged(
  turn: Turn,
  participant: ParticipantState,
  xid: Xid,
  how: 'acknowledged' | 'broken',
  message: string,
): void {
  const owed = present(participant.owed.get(xid), 'only what is owed is acknowledged')
  participant.owed.delete(xid)
  participant.scan?.endedMeanwhile.add(xid)
  if (participant.troubled.delete(xid) && participant.troubled.size === 0) {
    turn.effects.push({ type: 'recovery', participant: participant.name, signal: { type: 'settled' } })
  }
  const transaction = owed.transaction
  if (transaction === undefined) {
    presumedEnded(turn, participant, xid, owed.verb)
    return
  }
  const branch = present(
    transaction.branches.find((other) => other.participant === participant.name),
    'what is owed has its branch',
  )
  if (how === 'acknowledged') branch.state = owed.verb === 'commit' ? 'committed' : 'aborted'
  note(turn, transaction, how, participant.name, message)
  transaction.unacknowledged -= 1
  if (transaction.unacknowledged === 0) endTransaction(turn, transaction)
}

/** A branch that was presumed aborted has no end record: its transaction has no record at all. */
function presumedEnded(turn: Turn, participant: ParticipantState, xid: Xid, verb: Verb): void {
  if (verb === 'abort' && participant.keepsWitnesses) {
    turn.effects.push({ type: 'send', participant: participant.name, message: { type: 'forget', xid } })
  }
}

/** I1: a branch that ended against the decision is recorded, and reported until a person acknowledges it. */
function breakPledge(
  turn: Turn,
  participant: ParticipantState,
  message: Extract<ParticipantMessage, { type: 'result' }>,
): void {
  const ended: Verb = message.verb === 'commit' ? 'abort' : 'commit'
  const transaction = participant.owed.get(message.xid)?.transaction
  const branch = transaction?.branches.find((other) => other.participant === participant.name)
  if (branch !== undefined) branch.state = ended === 'commit' ? 'heuristic_committed' : 'heuristic_aborted'
  if (transaction !== undefined) transaction.heuristic = true
  recordHeuristic(turn, {
    type: 'heuristic',
    xid: message.xid,
    participant: participant.name,
    ended,
    evidence: message.evidence,
    message: message.message,
    timeMs: turn.now.wallMs,
  })
}

export function recordHeuristic(turn: Turn, record: HeuristicRecord): void {
  turn.state.heuristics.set(heuristicKey(record.xid, record.participant), record)
  turn.effects.push({
    type: 'append',
    records: [record],
    forced: true,
    token: { of: 'heuristic' },
    then: [],
  })
}

/** A decision whose last branches were found broken before the crash, and only its end record was lost. */
export function endReplayed(turn: Turn): void {
  for (const transaction of turn.state.transactions.values()) {
    if (transaction.phase === 'committing' && transaction.unacknowledged === 0)
      endTransaction(turn, transaction)
  }
}

/** Every branch has acknowledged. The record is lazy: losing it costs a delivery that is answered "done before". */
function endTransaction(turn: Turn, transaction: Transaction): void {
  transaction.phase = 'ended'
  transaction.endTimeMs = turn.now.wallMs
  note(turn, transaction, 'ended')
  answerWaiters(turn, transaction)
  const commits = transaction.decision === 'commit'
  const end = { type: 'end', xid: transaction.xid, endTimeMs: turn.now.wallMs } as const
  const readOnly = transaction.branches.every((branch) => branch.state === 'read_only')
  turn.effects.push({
    type: 'append',
    records: !commits
      ? [abortedRecord(transaction, turn.now.wallMs)]
      : readOnly
        ? [decisionRecord(turn, transaction), end]
        : [end],
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
