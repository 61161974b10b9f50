/**
 * The coordinator's own participants come up within moments of the start. A request that came before them would be told
 * that there is no such participant, so the start waits until each has come up or has failed once, for a short time.
 */
import type { Timers } from '../base/ports.ts'

export class FirstContact {
  readonly #missing: Set<string>
  readonly #all = Promise.withResolvers<void>()

  constructor(names: readonly string[]) {
    this.#missing = new Set(names)
    this.#resolveWhenAll()
  }

  /** It came up, or failed. */
  heard(name: string): void {
    this.#missing.delete(name)
    this.#resolveWhenAll()
  }

  /** Resolves with those that were not heard of in time. */
  async all(timeoutMs: number, timers: Timers): Promise<readonly string[]> {
    const cancel = timers.after(timeoutMs, this.#all.resolve)
    await this.#all.promise
    cancel()
    return [...this.#missing]
  }

  #resolveWhenAll(): void {
    if (this.#missing.size === 0) this.#all.resolve()
  }
}
