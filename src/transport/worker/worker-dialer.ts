/** Starts a worker thread per dial; the daemon says what runs in it. */
import type { Worker } from 'node:worker_threads'
import { assert } from '../../base/assert.ts'
import { messageOf } from '../../base/errors.ts'
import { defaultLimits, type Limits } from '../../base/limits.ts'
import { systemTimers, type Timers } from '../../base/ports.ts'
import type { Dialer, LinkListener } from '../link.ts'
import { WorkerThread } from './worker-link.ts'

export interface WorkerDialerOptions {
  readonly name: string
  /** Starts the thread that serves the participant. */
  readonly makeWorker: () => Worker
  readonly timers?: Timers | undefined
  readonly limits?: Pick<Limits, 'linkCloseTimeoutMs'> | undefined
}

export class WorkerDialer implements Dialer {
  readonly name: string
  readonly #options: WorkerDialerOptions
  readonly #timers: Timers
  #thread: WorkerThread | undefined
  #closed = false

  constructor(options: WorkerDialerOptions) {
    this.name = options.name
    this.#options = options
    this.#timers = options.timers ?? systemTimers
  }

  dial(listener: LinkListener, failed: (reason: string) => void): void {
    assert(!this.#closed, 'a closed dialer dials no more')
    void this.#dial(listener, failed)
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#thread?.close('the coordinator closed its end')
  }

  async #dial(listener: LinkListener, failed: (reason: string) => void): Promise<void> {
    // Two threads on one resource would fight over its locks: the earlier one must be gone.
    await this.#thread?.close('the coordinator dials again')
    if (this.#closed) return
    try {
      this.#thread = new WorkerThread({
        name: this.name,
        worker: this.#options.makeWorker(),
        timers: this.#timers,
        closeTimeoutMs: (this.#options.limits ?? defaultLimits).linkCloseTimeoutMs,
        listener,
        failed,
      })
    } catch (error) {
      this.#timers.soon(() => failed(messageOf(error)))
    }
  }
}
