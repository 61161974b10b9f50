/** Ended transactions are kept for `retention`, then forgotten when the core says that it is safe (R9). */

import { messageOf } from '../base/errors.ts'
import type { XidPosition } from '../base/ids.ts'
import type { Limits } from '../base/limits.ts'
import type { Clock, Timers } from '../base/ports.ts'
import type { Log } from '../log/log.ts'

export interface RetentionOptions {
  readonly log: Log
  readonly limits: Limits
  readonly clock: Clock
  readonly timers: Timers
  /** The log failed (R6). */
  readonly failed: (reason: string) => void
  readonly post: (event: { readonly type: 'expired'; readonly through: XidPosition }) => void
}

export class Retention {
  readonly #options: RetentionOptions
  #cancel: (() => void) | undefined
  #stopped = false

  constructor(options: RetentionOptions) {
    this.#options = options
  }

  start(): void {
    const { timers, limits } = this.#options
    const everyMs = Math.min(limits.retentionMs, limits.scanSettledMs)
    this.#cancel = timers.after(everyMs, () => {
      void this.#look().finally(() => {
        if (!this.#stopped) this.start()
      })
    })
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  /** What is to be forgotten shows again after a restart. */
  forget(through: XidPosition): void {
    this.#options.log.forget(through).catch((error: unknown) => {
      if (!this.#stopped) this.#options.failed(messageOf(error))
    })
  }

  async #look(): Promise<void> {
    const { log, clock, limits, post } = this.#options
    const through = await log.expired(clock.wallMs() - limits.retentionMs).catch(() => undefined)
    if (through !== undefined && !this.#stopped) post({ type: 'expired', through })
  }
}
