/** The time that a caller gives to one call of the client, and the ways in which it ends early. */
import type { Clock, Timers } from '../../base/ports.ts'

export interface ScopeOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  readonly clock: Clock
  readonly timers: Timers
}

export class Scope {
  readonly timeoutMs: number
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #endMs: number
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: (() => void) | undefined
  #listeners: Set<() => void> | undefined
  /** Nearly always one: no Set is made for it. */
  #overListeners: Listeners = NONE
  #cancelTimer: (() => void) | undefined
  #cancelled: { readonly reason: unknown } | undefined

  constructor(options: ScopeOptions) {
    this.timeoutMs = options.timeoutMs
    this.#clock = options.clock
    this.#timers = options.timers
    this.#endMs = options.clock.monotonicMs() + options.timeoutMs
    const { signal } = options
    this.#signal = signal
    if (signal === undefined) return
    this.#onAbort = () => this.cancel(signal.reason)
    if (signal.aborted) this.#onAbort()
    else signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  get remainingMs(): number {
    return Math.max(0, this.#endMs - this.#clock.monotonicMs())
  }

  /** Why the caller no longer waits; undefined while it does. */
  get cancelled(): { readonly reason: unknown } | undefined {
    return this.#cancelled
  }

  /** The caller has cancelled, or its time is up. */
  get over(): boolean {
    return this.#cancelled !== undefined || this.remainingMs === 0
  }

  cancel(reason: unknown): void {
    if (this.#cancelled !== undefined) return
    this.#cancelled = { reason }
    for (const listener of this.#listeners ?? []) listener()
    this.#tellOver()
  }

  /** Calls once when the caller cancels; the returned function takes that back. */
  onCancel(listener: () => void): () => void {
    const listeners = (this.#listeners ??= new Set())
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /** Calls once when the caller cancels or its time is up; the returned function takes that back. */
  onOver(listener: () => void): () => void {
    this.#overListeners = [...this.#overListeners, listener]
    if (this.#cancelTimer === undefined) this.#awaitEnd()
    return () => {
      this.#overListeners = without(this.#overListeners, listener)
    }
  }

  /** Returns earlier when the scope is over. */
  async sleep(delayMs: number): Promise<void> {
    if (this.#cancelled !== undefined) return
    const woken = Promise.withResolvers<void>()
    const cancelTimer = this.#timers.after(Math.min(delayMs, this.remainingMs), woken.resolve)
    const forget = this.onCancel(woken.resolve)
    await woken.promise
    cancelTimer()
    forget()
  }

  dispose(): void {
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#listeners?.clear()
    this.#overListeners = NONE
    this.#cancelTimer?.()
  }

  /** One timer for all: it may fire a little early, where its clock is coarser than ours. */
  #awaitEnd(): void {
    this.#cancelTimer = this.#timers.after(Math.max(1, this.remainingMs), () => {
      if (this.over) this.#tellOver()
      else this.#awaitEnd()
    })
  }

  #tellOver(): void {
    this.#cancelTimer?.()
    const listeners = this.#overListeners
    this.#overListeners = NONE
    for (const listener of listeners) listener()
  }
}

type Listeners = readonly (() => void)[]

const NONE: Listeners = []

function without(listeners: Listeners, gone: () => void): Listeners {
  return listeners.length === 1 && listeners[0] === gone ? NONE : listeners.filter((one) => one !== gone)
}
