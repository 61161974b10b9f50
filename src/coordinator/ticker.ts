/** The clock's part among the events: a tick when something that the core waits for is due, and none before. */
import type { Timers } from '../base/ports.ts'
import type { Now } from '../protocol/events.ts'
import type { ProtocolState } from '../protocol/state.ts'
import { nextTickMs } from '../protocol/time.ts'

export class Ticker {
  readonly #timers: Timers
  readonly #tick: () => void
  #next: { readonly atMs: number; readonly cancel: () => void } | undefined

  constructor(options: { readonly timers: Timers; readonly tick: () => void }) {
    this.#timers = options.timers
    this.#tick = options.tick
  }

  /** After each turn. */
  stepped(state: ProtocolState, now: Now): void {
    const atMs = nextTickMs(state)
    if (atMs === undefined || (this.#next !== undefined && this.#next.atMs <= atMs)) return
    this.stop()
    const cancel = this.#timers.after(Math.max(atMs - now.monotonicMs, 1), () => {
      this.#next = undefined
      this.#tick()
    })
    this.#next = { atMs, cancel }
  }

  stop(): void {
    this.#next?.cancel()
    this.#next = undefined
  }
}
