/** Requests in: what is refused, what joins a request that was made before, and what becomes a transaction. */
import { PledgedError } from '../base/errors.ts'
import { parseXid } from '../base/ids.ts'
import {
  checkBranches,
  checkDeadline,
  checkName,
  checkRestored,
  checkTimeout,
  notOwner,
  type Refusal,
  refusalOfNewWork,
} from './checks.ts'
import { decideAbort } from './deciding.ts'
import { acceptPrepared, checkPrepared } from './early-pledge.ts'
import type { CommitEvent, ExecuteEvent, NamedEvent, ReplyTo } from './events.ts'
import { askLog, getTransaction, isForgotten, issuedHere, nameOf } from './lookup.ts'
import type { KeptTransaction } from './records.ts'
import type { Attempt, RequestEntry } from './request-index.ts'
import type { AbortRequest, BeginRequest, CommitRequest } from './requests.ts'
import { beginLeased, isLeased, openTransaction } from './sessions.ts'
import type { Transaction, Turn, Waiter } from './state.ts'
import { viewOf } from './view.ts'
import { prepareBranches } from './voting.ts'

export function beginTransaction(turn: Turn, replyTo: ReplyTo, request: BeginRequest): void {
  guarded(turn, replyTo, () => {
    refuse(refusalOfNewWork(turn.state))
    refuse(checkTimeout('idle_timeout', request.idleTimeoutMs, turn.state.limits))
    const transaction = openNext(turn, request.caller, request.traceparent)
    const idleMs = request.idleTimeoutMs ?? turn.state.limits.idleTimeoutMs
    turn.state.deadlines.set(transaction, turn.now.monotonicMs + idleMs)
    turn.effects.push({ type: 'reply', replyTo, transaction: viewOf(transaction), replayed: false })
  })
}

export function executeTransaction(turn: Turn, event: ExecuteEvent): void {
  guarded(turn, event.replyTo, () => {
    if (joinsEarlier(turn, event)) return
    refuse(refusalOfNewWork(turn.state))
    refuse(checkBranches(turn.state, event.request.branches))
    refuse(checkDeadline(event.request.deadlineInMs))
    refuse(checkTimeout('prepare_timeout', event.request.prepareTimeoutMs, turn.state.limits))
    start(turn, event, openNext(turn, event.request.caller, event.request.traceparent))
  })
}

/**
 * R2: a commit is accepted for an active xid of this epoch, from its owner; by the session that began or leased it, where
 * one did. A late one learns the outcome.
 */
export function commitTransaction(turn: Turn, event: CommitEvent): void {
  guarded(turn, event.replyTo, () => {
    const { replyTo, request } = event
    const xid = issuedHere(turn.state, request.xid)
    const known = turn.state.transactions.get(xid)
    if (known !== undefined) refuse(ownerCheck(known, request))
    // First the name: once one attempt has committed it answers, whatever became of this attempt's xid.
    if (joinsEarlier(turn, event)) return
    if (known !== undefined && known.phase !== 'active') {
      wait(turn, known, event, true)
      return
    }
    if (known === undefined && !isLeased(turn.state, parseXid(xid))) {
      askLog(turn, xid, { for: 'answer', replyTo, replayed: true, owner: request.caller })
      return
    }
    refuse(known === undefined ? refusalOfNewWork(turn.state) : turn.state.failure)
    refuse(checkCommit(turn, request, known))
    const transaction = known ?? beginLeased(turn, request.session, xid, request.traceparent)
    if (transaction === undefined) throw notOwner(xid, 'session')
    acceptPrepared(turn, transaction, request.preparedBranches ?? [])
    start(turn, event, transaction)
  })
}

function checkCommit(turn: Turn, request: CommitRequest, transaction: Transaction | undefined): Refusal {
  const { branches, preparedBranches = [], deadlineInMs, prepareTimeoutMs } = request
  const enlisted = preparedBranches.map(({ participant }) => participant)
  return (
    checkPrepared(transaction, preparedBranches) ??
    checkBranches(turn.state, branches, enlisted) ??
    checkDeadline(deadlineInMs) ??
    checkTimeout('prepare_timeout', prepareTimeoutMs, turn.state.limits)
  )
}

export function abortTransaction(turn: Turn, replyTo: ReplyTo, request: AbortRequest): void {
  guarded(turn, replyTo, () => {
    const xid = issuedHere(turn.state, request.xid)
    const transaction = turn.state.transactions.get(xid) ?? beginLeased(turn, request.session, xid, undefined)
    if (transaction === undefined) {
      if (isLeased(turn.state, parseXid(xid))) throw notOwner(xid, 'session')
      askLog(turn, xid, { for: 'answer', replyTo, replayed: true, owner: request.caller })
      return
    }
    if (transaction.owner !== request.caller) throw notOwner(xid, 'caller')
    refuse(checkAbortable(transaction))
    const replayed = transaction.decision === 'abort'
    if (!replayed) {
      decideAbort(turn, transaction, {
        cause: 'client',
        message: 'its owner aborted it',
        retryable: false,
      })
    }
    turn.effects.push({ type: 'reply', replyTo, transaction: viewOf(transaction), replayed })
  })
}

/** What the log had of a request that the index did not hold; the request goes on from where it stopped. */
export function requestFound(turn: Turn, asked: NamedEvent, kept: readonly KeptTransaction[]): void {
  const { caller } = asked.request
  const requestId = nameOf(asked)
  const index = turn.state.requests
  if (requestId !== undefined && index.get(caller, requestId) === undefined) {
    index.complete(caller, requestId)
    const known = kept.filter((attempt) => stillAnswers(turn, attempt))
    for (const { record } of known) {
      if (record.request === undefined) continue
      const outcome = record.type === 'decision' ? 'committed' : 'aborted'
      index.add(record.request, { attempt: record.request.attempt, xid: record.xid, outcome })
      index.release(record.request, record.xid)
    }
    if (known.length === 0 && index.get(caller, requestId) === undefined) {
      index.addMissing(caller, requestId)
    }
  }
  switch (asked.type) {
    case 'execute':
      return executeTransaction(turn, asked)
    case 'commit':
      return commitTransaction(turn, asked)
    case 'get':
      return getTransaction(turn, asked)
  }
}

/**
 * An aborted attempt that is kept only for its heuristic says nothing of its request any more: a later attempt may
 * have committed, and been forgotten.
 */
function stillAnswers(turn: Turn, { record }: KeptTransaction): boolean {
  return record.type === 'decision' || !isForgotten(turn.state, parseXid(record.xid))
}

/** Whether the request is answered by one that was made before, or has to wait for the log to say so. */
function joinsEarlier(turn: Turn, event: ExecuteEvent | CommitEvent): boolean {
  const { name, caller, digest } = event.request
  if (name === undefined) return false
  refuse(checkName(turn, name))
  const entry = turn.state.requests.get(caller, name.requestId)
  if (entry === undefined) {
    if (!turn.state.requests.mustAskLog(caller, name.requestId)) {
      refuse(checkRestored(turn.state, name))
      return false
    }
    turn.effects.push({ type: 'find_request', asked: event })
    return true
  }
  if (entry.digest !== digest) {
    throw new PledgedError(
      'REQUEST_ID_REUSED',
      `request_id "${name.requestId}" was used for another body: use a new request_id for new work`,
    )
  }
  const earlier = earlierAttempt(entry, name.attempt)
  if (earlier === undefined) {
    refuse(checkRestored(turn.state, name))
    return false
  }
  const transaction = turn.state.transactions.get(earlier.xid)
  if (transaction === undefined) {
    askLog(turn, earlier.xid, { for: 'answer', replyTo: event.replyTo, replayed: true, owner: caller })
  } else {
    wait(turn, transaction, event, true)
  }
  return true
}

/**
 * The attempt that answers: one that committed, whatever was asked; else the very attempt; else one that is in
 * flight, or a later one (a late duplicate must not run beside it). None: it is the caller's deliberate retry.
 */
function earlierAttempt(entry: RequestEntry, attempt: number): Attempt | undefined {
  return (
    entry.attempts.find((other) => other.outcome === 'committed') ??
    entry.attempts.find((other) => other.attempt === attempt) ??
    entry.attempts.find((other) => other.outcome === 'pending') ??
    entry.attempts.find((other) => other.attempt > attempt)
  )
}

function openNext(turn: Turn, owner: string, traceparent: string | undefined): Transaction {
  const sequence = turn.state.nextSequence
  turn.state.nextSequence += 1
  return openTransaction(turn, { sequence, owner, traceparent })
}

function start(turn: Turn, event: ExecuteEvent | CommitEvent, transaction: Transaction): void {
  const { request } = event
  if (request.name !== undefined) {
    const { requestId, attempt } = request.name
    transaction.request = { caller: request.caller, requestId, attempt, digest: request.digest }
    turn.state.requests.add(transaction.request, { attempt, xid: transaction.xid, outcome: 'pending' })
  }
  wait(turn, transaction, event, false)
  const limits = turn.state.limits
  const timeoutMs = Math.min(
    request.prepareTimeoutMs ?? limits.prepareTimeoutMs,
    // Nobody waits for a vote that comes after the caller's deadline.
    request.deadlineInMs ?? Number.POSITIVE_INFINITY,
  )
  prepareBranches(turn, transaction, request.branches, timeoutMs)
}

/** Answers now where the outcome is there, else when it comes. */
function wait(
  turn: Turn,
  transaction: Transaction,
  event: ExecuteEvent | CommitEvent,
  replayed: boolean,
): void {
  const { waitFor, deadlineInMs } = event.request
  const waiter: Waiter = { replyTo: event.replyTo, waitFor, replayed, transaction }
  const done =
    transaction.unknown ||
    transaction.phase === 'ended' ||
    (transaction.decision !== undefined && (transaction.decision === 'abort' || waitFor === 'decision'))
  if (done) {
    turn.effects.push({ type: 'reply', replyTo: event.replyTo, transaction: viewOf(transaction), replayed })
    return
  }
  transaction.waiters.push(waiter)
  if (waitFor === 'completion' && deadlineInMs !== undefined) {
    // The answer "committed, incomplete" has to arrive before its caller stops waiting.
    const answerInMs = deadlineInMs - Math.min(deadlineInMs / 10, COMPLETION_ANSWER_MARGIN_MS)
    turn.state.waiterDeadlines.set(waiter, turn.now.monotonicMs + answerInMs)
  }
}

const COMPLETION_ANSWER_MARGIN_MS = 250

function checkAbortable(transaction: Transaction): PledgedError | undefined {
  if (transaction.phase === 'appending' || transaction.phase === 'resolving') {
    return new PledgedError(
      'APPEND_UNDER_WAY',
      `the decision of ${transaction.xid} is being written and can no longer be stopped: ask for its outcome`,
    )
  }
  if (transaction.phase === 'handing_over' || transaction.phase === 'handed_over') {
    return new PledgedError(
      'APPEND_UNDER_WAY',
      `${transaction.xid} has one branch, whose participant commits it by itself: ask for its outcome`,
    )
  }
  if (transaction.decision !== 'commit') return undefined
  return new PledgedError(
    'TRANSACTION_DECIDED',
    `${transaction.xid} has committed: it can not be aborted any more`,
  )
}

function ownerCheck(transaction: Transaction, { caller, session }: CommitRequest): Refusal {
  if (transaction.owner !== caller) return notOwner(transaction.xid, 'caller')
  const isElsewhere = transaction.session !== undefined && transaction.session.number !== session
  return transaction.phase === 'active' && isElsewhere ? notOwner(transaction.xid, 'session') : undefined
}

function refuse(error: PledgedError | undefined): void {
  if (error !== undefined) throw error
}

/** A refusal is thrown where it is found and becomes an effect here. */
export function guarded(turn: Turn, replyTo: ReplyTo, run: () => void): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof PledgedError)) throw error
    turn.effects.push({ type: 'refuse', replyTo, error })
  }
}
