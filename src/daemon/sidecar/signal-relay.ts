/**
 * The supervisor's signals, on their way to the application. From a terminal's keyboard they have reached it already, and
 * a second SIGINT would mean something else to many: those are not passed on.
 */
import { isInForeground, KEYBOARD_SIGNALS } from './terminal-group.ts'

/** They mean that it shall end. */
const ENDING = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const
/** They mean whatever the application makes of them. */
const OTHERS = ['SIGUSR1', 'SIGUSR2'] as const

/** None of these ends the process, until the function that it returns is called. */
export function listenToSignals(heard: (signal: NodeJS.Signals) => void): () => void {
  const signals = [...ENDING, ...OTHERS]
  for (const signal of signals) process.on(signal, heard)
  return () => {
    for (const signal of signals) process.off(signal, heard)
  }
}

/** Whether the application has to be sent it. */
export function isToBePassedOn(signal: NodeJS.Signals): boolean {
  return !(KEYBOARD_SIGNALS.has(signal) && isInForeground())
}

export function meansEnd(signal: NodeJS.Signals): boolean {
  return ENDING.some((one) => one === signal)
}
