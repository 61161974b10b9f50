/**
 * The client's session with its coordinator, over one stream after another. It dials when something waits for it, holds what it
 * has, and dials again, later and later, when that has ended. It asks nothing twice: whoever asked knows what a repetition means.
 *
 * Calls are sent in the order in which they were asked, and wait here, within their scopes, while there is no session or as many
 * are unanswered as may be. Neither the line nor what is sent grows beyond its limit.
 */
import { type CrashPoints, noCrashPoints } from '../../../base/crash-points.ts'
import type { PledgedError } from '../../../base/errors.ts'
import type { Xid } from '../../../base/ids.ts'
import type { Limits } from '../../../base/limits.ts'
import type { Clock, Random, Timers } from '../../../base/ports.ts'
import type {
  CommitRequest,
  ExecuteRequest,
  GetRequest,
  PreparedBranch,
  TransactionView,
} from '../../../protocol/requests.ts'
import type { SessionAnswer } from '../../../protocol/session-messages.ts'
import { closedError } from '../request-options.ts'
import type { Scope } from '../scope.ts'
import type { Try } from '../try.ts'
import { commitBytes, enlistBytes, executeBytes, namingBytes } from './call-bytes.ts'
import { Dialler } from './dialler.ts'
import {
  noLeaseError,
  noTurnError,
  queueFullError,
  tooLargeError,
  unansweredError,
  unreachableError,
} from './ends.ts'
import { LiveSession, type LiveSessionLimits } from './live-session.ts'
import { Pending } from './pending.ts'
import { type AnyPendingCall, PendingCall, type PendingCallOptions } from './pending-call.ts'
import { answerIn, enlistedIn, viewIn } from './replies.ts'
import type { DialSession, SessionStreamEnd } from './session-stream.ts'
import type { BegunTransaction, Sessions } from './sessions.ts'
import { WaitingLine } from './waiting-line.ts'

export type SessionClientLimits = LiveSessionLimits & Pick<Limits, 'clientQueueMax'>

export interface SessionClientOptions {
  /** Of the coordinator, for the sentences of errors. */
  readonly address: string
  readonly dial: DialSession
  readonly limits: SessionClientLimits
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly crashPoints?: CrashPoints | undefined
}

/** Who waits for a leased xid. */
type PendingBegin = Pending<BegunTransaction>

export class SessionClient implements Sessions {
  readonly #options: SessionClientOptions
  readonly #dialler: Dialler
  readonly #calls = new WaitingLine<AnyPendingCall>()
  readonly #begins = new WaitingLine<PendingBegin>()
  #session: LiveSession | undefined
  /** Why there is no session, as far as the last dial tells. */
  #lastError: PledgedError | undefined
  /** It has begun a transaction: who only executes leases nothing. */
  #leases = false
  #closed = false

  constructor(options: SessionClientOptions) {
    this.#options = options
    const { dial, limits, clock, timers, random } = options
    const clientId = drawClientId(random)
    this.#dialler = new Dialler({
      dial,
      greeting: () => ({ clientId, leaseSize: this.#leases ? limits.leaseSize : 0 }),
      limits,
      clock,
      timers,
      random,
      wanted: () => this.#calls.size + this.#begins.size > 0,
      onAdmitted: (stream, admission) => {
        this.#lastError = undefined
        this.#session = new LiveSession({ stream, admission, limits, clock, timers, random })
        this.#serve()
      },
      onReceived: (replies) => {
        for (const reply of replies) this.#session?.receive(reply)
        this.#serve()
      },
      onEnded: (end) => this.#streamEnded(end),
    })
  }

  execute(request: ExecuteRequest, scope: Scope): Promise<Try<SessionAnswer>> {
    return this.#ask({
      scope,
      bytes: executeBytes(request),
      toCall: (callId) => ({ type: 'execute', callId, request: withDeadline(request, scope) }),
      meaning: answerIn,
      onSent: () => this.#executeSent(),
    })
  }

  commit(request: CommitRequest, scope: Scope): Promise<Try<SessionAnswer>> {
    return this.#ask({
      scope,
      bytes: commitBytes(request),
      toCall: (callId) => ({ type: 'commit', callId, request: withDeadline(request, scope) }),
      meaning: answerIn,
    })
  }

  abort(xid: string, scope: Scope): Promise<Try<SessionAnswer>> {
    return this.#ask({
      scope,
      bytes: namingBytes(xid),
      toCall: (callId) => ({ type: 'abort', callId, xid }),
      meaning: answerIn,
    })
  }

  get(request: GetRequest, scope: Scope): Promise<Try<TransactionView>> {
    return this.#ask({
      scope,
      bytes: namingBytes('xid' in request ? request.xid : request.requestId),
      toCall: (callId) => ({ type: 'get', callId, request }),
      meaning: viewIn,
    })
  }

  begin(scope: Scope): Promise<Try<BegunTransaction>> {
    const refusal = this.#refusalOf(scope, this.#begins)
    if (refusal !== undefined) return Promise.resolve(refusal)
    this.#leases = true
    const begin: PendingBegin = new Pending(scope, () => this.#beginOver(begin))
    this.#begins.push(begin)
    this.#serve()
    return begin.ended
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#dialler.close()
    const error = closedError()
    this.#endSession(error)
    this.#endWaiting({ end: 'lost', error, sent: false })
  }

  #ask<Response>(options: PendingCallOptions<Response>): Promise<Try<Response>> {
    const refusal = this.#refusalOf(options.scope, this.#calls)
    if (refusal !== undefined) return Promise.resolve(refusal)
    const call: PendingCall<Response> = new PendingCall(options, () => this.#callOver(call))
    this.#calls.push(call)
    this.#serve()
    return call.ended
  }

  #refusalOf(scope: Scope, line: WaitingLine<unknown>): Try<never> | undefined {
    if (this.#closed) return { end: 'lost', error: closedError(), sent: false }
    if (scope.over) return { end: 'lost', error: this.#awayError(), sent: false }
    const { clientQueueMax } = this.#options.limits
    if (line.size < clientQueueMax) return undefined
    return { end: 'refused', error: queueFullError(clientQueueMax) }
  }

  /** Sends what has its turn, and gives xids to who waits for one; dials where that takes a session. */
  #serve(): void {
    const session = this.#session
    if (session === undefined) {
      if (this.#calls.size + this.#begins.size > 0) this.#dialler.want()
      return
    }
    for (let call = this.#calls.first; call !== undefined; call = this.#calls.first) {
      if (call.scope.over) {
        this.#callOver(call)
        continue
      }
      const fits = call.bytes <= session.callBytesMax
      if (fits && !session.hasRoomFor(call)) break
      this.#calls.remove(call)
      if (fits) session.send(call)
      else call.end({ end: 'refused', error: tooLargeError(call.bytes, session.callBytesMax) })
    }
    for (let begin = this.#begins.first; begin !== undefined; begin = this.#begins.first) {
      const xid = session.takeXid()
      if (xid === undefined) break
      this.#begins.remove(begin)
      begin.end({ end: 'answered', response: this.#begun(xid, session) })
    }
  }

  #begun(xid: Xid, session: LiveSession): BegunTransaction {
    return {
      xid,
      lost: session.lost,
      enlist: (branch, scope) => this.#enlist(xid, branch, session, scope),
      acknowledge: (ending) => session.acknowledge(ending),
    }
  }

  #enlist(xid: Xid, branch: PreparedBranch, session: LiveSession, scope: Scope): Promise<Try<void>> {
    const { endedBy } = session
    if (endedBy !== undefined) return Promise.resolve({ end: 'lost', error: endedBy, sent: false })
    return this.#ask({
      scope,
      bytes: enlistBytes(xid, branch),
      toCall: (callId) => ({ type: 'enlist', callId, xid, branch }),
      meaning: enlistedIn,
      boundTo: session,
    })
  }

  #callOver(call: AnyPendingCall): void {
    const { address } = this.#options
    if (call.sent) {
      this.#session?.forget(call)
      call.end({ end: 'lost', error: unansweredError(address, call.scope), sent: true })
      return
    }
    this.#calls.remove(call)
    const error = this.#session === undefined ? this.#awayError() : noTurnError(address)
    call.end({ end: 'lost', error, sent: false })
  }

  #beginOver(begin: PendingBegin): void {
    this.#begins.remove(begin)
    const error = this.#session === undefined ? this.#awayError() : noLeaseError(this.#options.address)
    begin.end({ end: 'lost', error, sent: false })
  }

  /** What the last dial ended with says more than that none has succeeded. */
  #awayError(): PledgedError {
    return this.#lastError ?? unreachableError(this.#options.address)
  }

  #streamEnded({ error }: SessionStreamEnd): boolean {
    const session = this.#session
    this.#lastError = error
    this.#endSession(error)
    // Asked again it would say the same: it isn't a daemon that serves sessions, or it doesn't admit this client.
    const refused = session === undefined && !error.retryable && error.code !== 'INTERNAL'
    if (refused) this.#endWaiting({ end: 'refused', error })
    return session?.answered ?? false
  }

  #endSession(error: PledgedError): void {
    const session = this.#session
    if (session === undefined) return
    this.#session = undefined
    for (const call of this.#calls) {
      if (call.boundTo !== session) continue
      this.#calls.remove(call)
      call.end({ end: 'lost', error, sent: false })
    }
    session.end(error)
  }

  #endWaiting(end: Try<never>): void {
    for (const call of this.#calls.drain()) call.end(end)
    for (const begin of this.#begins.drain()) begin.end(end)
  }

  /** The batch is written at the end of this turn; its bytes have left this process in the next. */
  #executeSent(): void {
    const { crashPoints, timers } = this.#options
    if (crashPoints === undefined || crashPoints === noCrashPoints) return
    const pass = (): void => crashPoints.pass('application.execute.sent')
    timers.soon(() => timers.soon(pass))
  }
}

/** How long the caller still waits, when it is sent. */
function withDeadline<Request extends ExecuteRequest>(request: Request, scope: Scope): Request {
  return { ...request, deadlineInMs: scope.remainingMs }
}

/** Nobody else's: a newer session of the same client ends the older. */
function drawClientId(random: Random): string {
  return Array.from({ length: 4 }, () => random.below(2 ** 32).toString(36)).join('-')
}
