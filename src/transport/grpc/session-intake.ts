/**
 * What a session may have under way: at so many calls whose reply hasn't left yet, or so many bytes of calls that aren't
 * answered yet, its stream isn't read any more, until half of that is done. A client that sends faster than it is
 * answered, or that doesn't read, so comes to a stop by itself, and holds no more of our memory than that, beside the
 * few messages that the stream has taken in already.
 */
import { assert } from '../../base/assert.ts'
import { type ReceivedCall, sessionCallBatches } from '../../wire/index.ts'

export interface SessionIntakeOptions {
  readonly callsMax: number
  readonly bytesMax: number
  /** The stream, as far as its reading goes. */
  readonly source: { pause(): unknown; resume(): unknown }
  /** Calls come one by one, in their order. `bytes` is to be given back with `answered`. */
  readonly take: (call: ReceivedCall, bytes: number) => void
}

export class SessionIntake {
  readonly #options: SessionIntakeOptions
  #waiting: ReceivedCall[] = []
  /** Calls of `#waiting` before this one are taken. */
  #head = 0
  /** Whose reply has not left. */
  #calls = 0
  /** Of calls that are not answered. */
  #bytes = 0
  #paused = false

  constructor(options: SessionIntakeOptions) {
    assert(options.callsMax >= 1, 'a session may have at least one call under way')
    this.#options = options
  }

  /** No call is under way whose reply hasn't left. */
  get idle(): boolean {
    return this.#calls === 0
  }

  /** Until `start`. */
  hold(): void {
    this.#paused = true
    this.#options.source.pause()
  }

  start(): void {
    this.#go()
  }

  /** The calls of one message. */
  receive(calls: readonly ReceivedCall[]): void {
    for (const call of calls) this.#waiting.push(call)
    if (!this.#paused) this.#go()
  }

  /** There is a reply: what the call brought is no longer needed. */
  answered(bytes: number): void {
    this.#bytes -= bytes
    this.#relieve()
  }

  /** So many replies have left. */
  left(replies: number): void {
    this.#calls -= replies
    this.#relieve()
  }

  #relieve(): void {
    const { callsMax, bytesMax } = this.#options
    if (this.#paused && this.#calls <= callsMax / 2 && this.#bytes <= bytesMax / 2) this.#go()
  }

  #go(): void {
    while (this.#head < this.#waiting.length && !this.#full()) this.#takeNext()
    const wasPaused = this.#paused
    this.#paused = this.#full()
    if (this.#paused) {
      this.#options.source.pause()
      return
    }
    this.#waiting = []
    this.#head = 0
    if (wasPaused) this.#options.source.resume()
  }

  #takeNext(): void {
    const call = this.#waiting[this.#head]
    if (call === undefined) return
    this.#head += 1
    const bytes = call.type === 'refusal' ? 0 : sessionCallBatches.bytesOf(call)
    if ('callId' in call) {
      this.#calls += 1
      this.#bytes += bytes
    }
    this.#options.take(call, bytes)
  }

  #full(): boolean {
    const { callsMax, bytesMax } = this.#options
    return this.#calls >= callsMax || this.#bytes >= bytesMax
  }
}
