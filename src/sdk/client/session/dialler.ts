/**
 * When to dial, and what a stream says. One stream at a time; each failure in a row waits longer for the next, with jitter, so that
 * the clients of a daemon that comes back don't come all at once.
 */
import type { Limits } from '../../../base/limits.ts'
import type { Clock, Random, Timers } from '../../../base/ports.ts'
import type { SessionAdmission, SessionGreeting, SessionReply } from '../../../protocol/session-messages.ts'
import { backoffMs } from '../../dialling.ts'
import type { DialSession, SessionStream, SessionStreamEnd, SessionStreamListener } from './session-stream.ts'

export interface DiallerOptions {
  readonly dial: DialSession
  /** Asked when it is time to dial. */
  readonly greeting: () => SessionGreeting
  readonly limits: Pick<Limits, 'backoffMinMs' | 'backoffMaxMs'>
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Asked when it is time to dial: whether anyone still waits for a session. */
  readonly wanted: () => boolean
  readonly onAdmitted: (stream: SessionStream, admission: SessionAdmission) => void
  readonly onReceived: (replies: readonly SessionReply[]) => void
  /** True: the session was of use, so that the next may be dialled soon. */
  readonly onEnded: (end: SessionStreamEnd) => boolean
}

export class Dialler {
  readonly #options: DiallerOptions
  /** Whose events count; an older stream's don't. */
  #listener: SessionStreamListener | undefined
  #stream: SessionStream | undefined
  #failures = 0
  #notBeforeMs = Number.NEGATIVE_INFINITY
  #cancelTimer: (() => void) | undefined
  #closed = false

  constructor(options: DiallerOptions) {
    this.#options = options
  }

  /** Dials, now or as soon as it may; or has done so. */
  want(): void {
    if (this.#closed || this.#listener !== undefined || this.#cancelTimer !== undefined) return
    const { clock, timers } = this.#options
    const waitMs = this.#notBeforeMs - clock.monotonicMs()
    if (waitMs <= 0) {
      this.#dial()
      return
    }
    // A timer may fire a little early, where its clock is coarser than ours.
    this.#cancelTimer = timers.after(Math.max(1, waitMs), () => {
      this.#cancelTimer = undefined
      if (this.#options.wanted()) this.want()
    })
  }

  /** What was sent before still leaves. */
  close(): void {
    this.#closed = true
    this.#cancelTimer?.()
    this.#listener = undefined
    this.#stream?.close()
    this.#stream = undefined
  }

  #dial(): void {
    const listener: SessionStreamListener = {
      admitted: (admission) => {
        if (this.#listener !== listener || this.#stream === undefined) return
        this.#options.onAdmitted(this.#stream, admission)
      },
      received: (replies) => {
        if (this.#listener === listener) this.#options.onReceived(replies)
      },
      ended: (end) => {
        if (this.#listener === listener) this.#ended(end)
      },
    }
    this.#listener = listener
    this.#stream = this.#options.dial(this.#options.greeting(), listener)
  }

  #ended(end: SessionStreamEnd): void {
    this.#stream = undefined
    const { clock, limits, random } = this.#options
    // A coordinator that admits and dies at once is not asked again at once, for ever.
    const wasOfUse = this.#options.onEnded(end)
    if (wasOfUse) this.#failures = 0
    const pauseMs = backoffMs(this.#failures, limits, random)
    this.#failures += 1
    this.#notBeforeMs = clock.monotonicMs() + (end.retryAfterMs ?? 0) + pauseMs
    // Only now: whoever is told of the end may ask for another at once, and has to wait for its time.
    this.#listener = undefined
    if (this.#options.wanted()) this.want()
  }
}
