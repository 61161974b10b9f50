/** The end of a coordinator's service: nothing new is taken on, and what is in flight may finish. */
import type { Timers } from '../base/ports.ts'
import type { Event } from '../protocol/events.ts'
import type { ProtocolState } from '../protocol/state.ts'
import type { DrainReport } from './views.ts'

/** Of the time: then what is undecided aborts. */
const ABORT_SHARE = 0.8

export class Drain {
  readonly #timers: Timers
  readonly #post: (event: Event) => void
  #drained: (() => void) | undefined

  constructor(options: { readonly timers: Timers; readonly post: (event: Event) => void }) {
    this.#timers = options.timers
    this.#post = options.post
  }

  async run(state: ProtocolState, timeoutMs: number): Promise<DrainReport> {
    const abortedBefore = state.aborted
    const cancelAbort = this.#timers.after(timeoutMs * ABORT_SHARE, () =>
      this.#post({ type: 'drain_expired' }),
    )
    await new Promise<void>((resolve) => {
      const cancelEnd = this.#timers.after(timeoutMs, resolve)
      this.#drained = () => {
        cancelEnd()
        resolve()
      }
      this.#post({ type: 'drain' })
    })
    cancelAbort()
    this.#drained = undefined
    const undelivered = new Set([...state.participants.values()].flatMap(({ owed }) => [...owed.keys()])).size
    return { undelivered, aborted: state.aborted - abortedBefore }
  }

  /** After each turn. */
  stepped(state: ProtocolState): void {
    if (state.draining && state.transactions.size === 0) this.#drained?.()
  }
}
