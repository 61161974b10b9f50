/** When a daemon part that ended is started again. */
import type { Ending } from './daemon-life.ts'
import { RESTART_DELAY_MAX_MS, RESTART_DELAY_MIN_MS, WELL_AFTER_MS } from './tuning.ts'

export class RestartDelays {
  #failures = 0
  #servesSinceMs: number | undefined
  #skip = Promise.withResolvers<void>()

  /** Requests are taken on from now. */
  serves(): void {
    this.#servesSinceMs = performance.now()
  }

  next(): number {
    const since = this.#servesSinceMs
    if (since !== undefined && performance.now() - since >= WELL_AFTER_MS) this.#failures = 0
    this.#servesSinceMs = undefined
    const delayMs = Math.min(RESTART_DELAY_MAX_MS, RESTART_DELAY_MIN_MS * 2 ** Math.min(this.#failures, 20))
    this.#failures += 1
    return delayMs
  }

  async pause(delayMs: number): Promise<void> {
    const timer = Promise.withResolvers<void>()
    const timeout = setTimeout(timer.resolve, delayMs)
    await Promise.race([timer.promise, this.#skip.promise])
    clearTimeout(timeout)
  }

  /** From now on no pause is kept. */
  skip(): void {
    this.#skip.resolve()
  }
}

export function endingText({ code, signal, failure }: Ending): string {
  if (failure !== undefined) return failure.message
  return signal === null ? `it ended with the exit code ${code}` : `it was killed by ${signal}`
}
