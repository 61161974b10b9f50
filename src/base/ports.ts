/** Clock and randomness as ports: the simulator puts its own in their place. */

export interface Clock {
  /** Milliseconds that never go back, from an arbitrary origin; fractions allowed. */
  monotonicMs(): number
  /** Milliseconds since 1970 by the machine's wall clock, which may jump. */
  wallMs(): number
}

export interface Random {
  /** A uniformly drawn integer in [0, limit). */
  below(limit: number): number
}

/** One-shot timers. */
export interface Timers {
  /** Calls `fire` once, not earlier than `delayMs` from now; the returned function cancels it. */
  after(delayMs: number, fire: () => void): () => void
  /** Calls `run` once after what is already queued in this turn of the event loop. */
  soon(run: () => void): void
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
}

export const systemTimers: Timers = {
  after: (delayMs, fire) => {
    const timer = setTimeout(fire, delayMs)
    return () => clearTimeout(timer)
  },
  soon: (run) => {
    setImmediate(run)
  },
}

/** Draws from the operating system's generator: names of logs and epochs must not collide between machines. */
export const systemRandom: Random = {
  below: (limit) => {
    const draws = new Uint32Array(1)
    crypto.getRandomValues(draws)
    return Math.floor(((draws[0] ?? 0) / 2 ** 32) * limit)
  },
}
