/** The signals that ask a process to end: the first is heard, the second is final. */

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

export interface Signals {
  /** Resolves at the first signal. */
  readonly first: Promise<undefined>
  /** Resolves at the first signal, or after that time. */
  orAfter(delayMs: number): Promise<void>
  /** Signals have their usual effect again. */
  close(): void
}

export function listenToSignals(second: () => void): Signals {
  const first = Promise.withResolvers<undefined>()
  let heard = false
  const hear = (): void => {
    if (heard) second()
    heard = true
    first.resolve(undefined)
  }
  for (const signal of SIGNALS) process.on(signal, hear)
  return {
    first: first.promise,
    orAfter: async (delayMs) => {
      const timer = Promise.withResolvers<void>()
      const timeout = setTimeout(timer.resolve, delayMs)
      await Promise.race([first.promise, timer.promise])
      clearTimeout(timeout)
    },
    close: () => {
      for (const signal of SIGNALS) process.off(signal, hear)
    },
  }
}
