/** The scopes of one client that are open: each is opened from a call's options, and all of them end when the client is closed. */
import { ChurningSet } from '../../base/churning.ts'
import type { Clock, Timers } from '../../base/ports.ts'
import type { GetOptions } from './coordinator.ts'
import { closedError, requireTimeout } from './request-options.ts'
import { Scope } from './scope.ts'

export interface ScopesOptions {
  /** The time that a call gets unless it says otherwise. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly timers: Timers
}

export class Scopes {
  readonly #options: ScopesOptions
  readonly #open = new ChurningSet<Scope>()
  #closed = false

  constructor(options: ScopesOptions) {
    this.#options = options
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Throws where the client is closed, the time is none, or the signal has fired. */
  open(options: GetOptions): Scope {
    if (this.#closed) throw closedError()
    const { clock, timers } = this.#options
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs
    requireTimeout('timeoutMs', timeoutMs)
    options.signal?.throwIfAborted()
    const scope = new Scope({ timeoutMs, signal: options.signal, clock, timers })
    this.#open.add(scope)
    return scope
  }

  dispose(scope: Scope): void {
    this.#open.delete(scope)
    scope.dispose()
  }

  /** Whoever still waits is told so. */
  close(): void {
    this.#closed = true
    for (const scope of this.#open) scope.cancel(closedError())
  }
}
