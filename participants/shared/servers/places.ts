/**
 * A bounded number of places, given in the order they were asked for. Who waits gives up when nobody waits for him
 * any more.
 */
import { assert } from '../../../src/sdk/participant/index.ts'

export interface Patience {
  /** By `performance.now()`. */
  readonly deadlineMs: number
  readonly signal: AbortSignal
}

/** A timer that is set for longer fires at once. */
const TIMER_MS_MAX = 0x7fffffff

/** What is left until then, as a timer takes it: not below 0. */
export function leftMs(deadlineMs: number): number {
  return Math.min(Math.max(0, Math.floor(deadlineMs - performance.now())), TIMER_MS_MAX)
}

export class Places {
  #max: number
  #taken = 0
  readonly #waiting = new Set<() => void>()

  constructor(max: number) {
    assert(max >= 1, 'there is at least one place')
    this.#max = max
  }

  get max(): number {
    return this.#max
  }

  get taken(): number {
    return this.#taken
  }

  /** Those that are taken stay taken, even where that is more than the new maximum. */
  setMax(max: number): void {
    assert(max >= 1, 'there is at least one place')
    this.#max = max
    this.#serve()
  }

  /** Whether a place was had. It is to be given back. */
  async take({ deadlineMs, signal }: Patience): Promise<boolean> {
    if (signal.aborted) return false
    if (this.#taken < this.#max) {
      this.#taken += 1
      return true
    }
    const served = Promise.withResolvers<boolean>()
    const serve = (): void => served.resolve(true)
    const giveUp = (): void => {
      if (this.#waiting.delete(serve)) served.resolve(false)
    }
    this.#waiting.add(serve)
    const timer = setTimeout(giveUp, leftMs(deadlineMs))
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      return await served.promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
    }
  }

  give(): void {
    assert(this.#taken > 0, 'a place that is given back was taken')
    this.#taken -= 1
    this.#serve()
  }

  #serve(): void {
    for (const serve of this.#waiting) {
      if (this.#taken >= this.#max) return
      this.#waiting.delete(serve)
      this.#taken += 1
      serve()
    }
  }
}
