/**
 * One session from its admission to its end: which calls are unanswered, which leased xids are unused. Whatever the coordinator
 * sends, an answer goes to the call that it names, once; what names none is dropped.
 */
import { ChurningMap } from '../../../base/churning.ts'
import type { PledgedError } from '../../../base/errors.ts'
import type { Xid } from '../../../base/ids.ts'
import type { Limits } from '../../../base/limits.ts'
import type { Clock, Random, Timers } from '../../../base/ports.ts'
import type { ApplicationEnding, XidLease } from '../../../protocol/requests.ts'
import type { SessionAdmission, SessionReply } from '../../../protocol/session-messages.ts'
import { backoffMs } from '../../dialling.ts'
import { type LeaseLimits, LeaseStock } from './lease-stock.ts'
import type { AnyPendingCall } from './pending-call.ts'
import type { SessionStream } from './session-stream.ts'

export type LiveSessionLimits = LeaseLimits &
  Pick<Limits, 'linkQueueBytesMax' | 'backoffMinMs' | 'backoffMaxMs'>

export interface LiveSessionOptions {
  readonly stream: SessionStream
  readonly admission: SessionAdmission
  readonly limits: LiveSessionLimits
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}

/** A call whose caller waits no more is unanswered all the same: the coordinator counts it, and so do we. */
interface Unanswered {
  readonly bytes: number
  call: AnyPendingCall | undefined
}

const CALL_IDS = 2 ** 32
/** What a message has around its only call, generously. */
const FRAME_BYTES = 64

export class LiveSession {
  readonly #options: LiveSessionOptions
  readonly #unanswered = new ChurningMap<number, Unanswered>()
  readonly #stock: LeaseStock
  readonly #lost = new AbortController()
  #unansweredBytes = 0
  #lastCallId = 0
  #leaseAsked = false
  /** Leases in a row that held nothing. */
  #leasedNone = 0
  #cancelLeaseTimer: (() => void) | undefined
  #answered = false
  #endedBy: PledgedError | undefined

  constructor(options: LiveSessionOptions) {
    this.#options = options
    const { admission, limits, clock } = options
    this.#stock = new LeaseStock(
      { logId: admission.logId, epoch: admission.epoch, limits, clock },
      admission.lease,
    )
  }

  /** Aborted when the session has ended. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** Why it has ended; undefined while it hasn't. */
  get endedBy(): PledgedError | undefined {
    return this.#endedBy
  }

  /** It has answered something: the coordinator does more than to admit it. */
  get answered(): boolean {
    return this.#answered
  }

  /** Bytes of the largest call that it carries. */
  get callBytesMax(): number {
    const { batchBytesMax, messageBytesMax } = this.#options.admission
    if (batchBytesMax === 0) return Number.POSITIVE_INFINITY
    // A call that is larger than a batch goes by itself.
    return Math.max(batchBytesMax, messageBytesMax - FRAME_BYTES)
  }

  /**
   * What is sent is bounded by what is unanswered, in calls, because the coordinator reads no more than so many, and in bytes,
   * because they all may wait in the stream.
   */
  hasRoomFor(call: AnyPendingCall): boolean {
    if (this.#unanswered.size === 0) return true
    if (this.#unanswered.size >= this.#options.admission.callsMax) return false
    return this.#unansweredBytes + call.bytes <= this.#options.limits.linkQueueBytesMax / 2
  }

  send(call: AnyPendingCall): void {
    const callId = this.#nextCallId()
    this.#unanswered.set(callId, { bytes: call.bytes, call })
    this.#unansweredBytes += call.bytes
    this.#options.stream.send([call.toCall(callId)])
    call.wasSent()
  }

  /** Its caller waits no more: a late answer is dropped. */
  forget(call: AnyPendingCall): void {
    const unanswered = call.callId === undefined ? undefined : this.#unanswered.get(call.callId)
    if (unanswered?.call === call) unanswered.call = undefined
  }

  acknowledge(ending: ApplicationEnding): void {
    if (this.#endedBy === undefined) this.#options.stream.send([{ type: 'acknowledgement', ending }])
  }

  /** The next leased xid; undefined where more have to come first. */
  takeXid(): Xid | undefined {
    const xid = this.#stock.take()
    this.#askForMore()
    return xid
  }

  receive(reply: SessionReply): void {
    if (reply.type === 'lease') {
      this.#leased(reply.lease)
      return
    }
    const unanswered = this.#unanswered.get(reply.callId)
    if (unanswered === undefined) return
    this.#answered = true
    this.#unanswered.delete(reply.callId)
    this.#unansweredBytes -= unanswered.bytes
    unanswered.call?.answered(reply)
  }

  /** Every unanswered call ends as lost: it may have arrived. */
  end(error: PledgedError): void {
    if (this.#endedBy !== undefined) return
    this.#endedBy = error
    this.#cancelLeaseTimer?.()
    for (const { call } of this.#unanswered.values()) call?.end({ end: 'lost', error, sent: true })
    this.#unanswered.clear()
    this.#lost.abort(error)
  }

  /** What nobody asked for is not taken: a lease costs memory. */
  #leased(lease: XidLease): void {
    if (!this.#leaseAsked) return
    this.#leaseAsked = false
    this.#stock.add(lease)
    this.#leasedNone = lease.count > 0 ? 0 : this.#leasedNone + 1
  }

  /** One question at a time. Where the last answer was none, the next waits: what is in use has to be used up first. */
  #askForMore(): void {
    const count = this.#stock.wanted
    if (count === 0 || this.#leaseAsked || this.#endedBy !== undefined) return
    this.#leaseAsked = true
    const ask = (): void => this.#options.stream.send([{ type: 'lease', count }])
    if (this.#leasedNone === 0) {
      ask()
      return
    }
    const { limits, random, timers } = this.#options
    this.#cancelLeaseTimer = timers.after(backoffMs(this.#leasedNone, limits, random), ask)
  }

  #nextCallId(): number {
    do this.#lastCallId = (this.#lastCallId + 1) % CALL_IDS
    while (this.#lastCallId === 0 || this.#unanswered.has(this.#lastCallId))
    return this.#lastCallId
  }
}
