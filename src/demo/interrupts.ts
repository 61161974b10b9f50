/** Nothing that the demo started outlives it, where somebody interrupts it. */
const SIGNALS = ['SIGINT', 'SIGTERM'] as const

export interface Interrupts {
  forget(): void
}

export function killingAtInterrupt(killAll: () => void): Interrupts {
  const onInterrupt = (signal: NodeJS.Signals): void => {
    killAll()
    process.exit(signal === 'SIGINT' ? 130 : 143)
  }
  for (const signal of SIGNALS) process.once(signal, onInterrupt)
  return {
    forget: () => {
      for (const signal of SIGNALS) process.removeListener(signal, onInterrupt)
    },
  }
}
