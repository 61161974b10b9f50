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

const DRAWN_AT_ONCE = 1_024
const draws = new Uint32Array(DRAWN_AT_ONCE)
let drawn = DRAWN_AT_ONCE

/**
 * Draws from the operating system's generator: names of logs and epochs must not collide between machines. Many at once: each
 * request has a name that is drawn, and asking the system costs more than all else that a client does for it.
 */
export const systemRandom: Random = {
  below: (limit) => {
    if (drawn === DRAWN_AT_ONCE) {
      crypto.getRandomValues(draws)
      drawn = 0
    }
    const draw = draws[drawn] ?? 0
    drawn += 1
    return Math.floor((draw / 2 ** 32) * limit)
  },
}
