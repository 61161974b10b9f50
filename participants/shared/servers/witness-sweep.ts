/**
 * R5: witnesses are removed by exact xid; what is asked within a short time is removed by one statement. Nobody waits
 * for it, and a witness that stays does no harm.
 */
import type { Xid } from '../../../src/sdk/participant/index.ts'

export interface WitnessSweepOptions {
  readonly remove: (xids: readonly Xid[]) => Promise<void>
  readonly delayMs: number
  readonly batchMax: number
}

interface Waiting {
  readonly xid: Xid
  readonly done: PromiseWithResolvers<void>
}

export class WitnessSweep {
  readonly #options: WitnessSweepOptions
  #waiting: Waiting[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(options: WitnessSweepOptions) {
    this.#options = options
  }

  /** Settles when the statement has. */
  forget(xid: Xid): Promise<void> {
    const done = Promise.withResolvers<void>()
    this.#waiting.push({ xid, done })
    if (this.#waiting.length >= this.#options.batchMax) void this.flush()
    else this.#timer ??= setTimeout(() => void this.flush(), this.#options.delayMs)
    return done.promise
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const taken = this.#waiting
    this.#waiting = []
    if (taken.length === 0) return
    try {
      await this.#options.remove(taken.map(({ xid }) => xid))
      for (const { done } of taken) done.resolve()
    } catch (error) {
      for (const { done } of taken) done.reject(error)
    }
  }
}
