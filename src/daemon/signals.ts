/** What asks a process to end: the first time is heard, the second is final. */

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

export interface Signals {
  /** Resolves at the first signal. */
  readonly first: Promise<undefined>
  /** Resolves at the first signal, or after that time. */
  orAfter(delayMs: number): Promise<void>
  /** Signals have their usual effect again. */
  close(): void
}

/** Calls `hear` whenever it is asked to end; the function that it returns ends that. */
export type Subscribe = (hear: () => void) => () => void

/** `subscribe`: where the asking comes from, if not from the process's own signals. */
export function listenToSignals(second: () => void, subscribe: Subscribe = toOwnSignals): Signals {
  const first = Promise.withResolvers<undefined>()
  let heard = false
  const close = subscribe(() => {
    if (heard) second()
    heard = true
    first.resolve(undefined)
  })
  return {
    first: first.promise,
    orAfter: async (delayMs) => {
      const timer = Promise.withResolvers<void>()
      const timeout = setTimeout(timer.resolve, delayMs)
      await Promise.race([first.promise, timer.promise])
      clearTimeout(timeout)
    },
    close,
  }
}

export function toOwnSignals(hear: () => void): () => void {
  for (const signal of SIGNALS) process.on(signal, hear)
  return () => {
    for (const signal of SIGNALS) process.off(signal, hear)
  }
}
