/** Dials a participant host in the same process. */
import { assert } from '../../base/assert.ts'
import { messageOf } from '../../base/errors.ts'
import { systemTimers, type Timers } from '../../base/ports.ts'
import type { Dialer, LinkListener } from '../link.ts'
import { type MemoryHost, MemoryLink } from './memory-link.ts'

export interface MemoryDialerOptions {
  readonly name: string
  /** Asked at each dial: the same host again, or a new one after a crash. Throws when there is none. */
  readonly host: () => MemoryHost
  readonly timers?: Timers | undefined
}

export class MemoryDialer implements Dialer {
  readonly name: string
  readonly #makeHost: () => MemoryHost
  readonly #timers: Timers
  #host: MemoryHost | undefined
  #link: MemoryLink | undefined
  /** Counts dials, so that one that was given up is not heard any more. */
  #dial = 0
  #closed = false

  constructor(options: MemoryDialerOptions) {
    this.name = options.name
    this.#makeHost = options.host
    this.#timers = options.timers ?? systemTimers
  }

  dial(listener: LinkListener, failed: (reason: string) => void): void {
    assert(!this.#closed, 'a closed dialer dials no more')
    this.#link?.close()
    this.#link = undefined
    this.#dial += 1
    void this.#open(this.#dial, listener, failed)
  }

  /** Breaks the link from the participant's end. */
  sever(reason: string): void {
    this.#link?.sever(reason)
    this.#link = undefined
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#dial += 1
    this.#link?.close()
    await this.#host?.close()
  }

  async #open(dial: number, listener: LinkListener, failed: (reason: string) => void): Promise<void> {
    try {
      const host = this.#makeHost()
      this.#host = host
      const identity = await host.describe()
      const link = new MemoryLink({ host, identity, listener, timers: this.#timers })
      this.#later(dial, () => {
        this.#link = link
        listener.opened(link)
      })
    } catch (error) {
      this.#later(dial, () => failed(messageOf(error)))
    }
  }

  #later(dial: number, run: () => void): void {
    this.#timers.soon(() => {
      if (dial === this.#dial) run()
    })
  }
}
