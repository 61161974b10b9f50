/**
 * The daemon's own log lines: JSON on standard error, so that standard output stays free for whoever shares the
 * terminal (and for the application, as a sidecar). Written at once: the last line before an end is the one that
 * matters. At the default level there is no line per transaction.
 */
import { type Logger, pino } from 'pino'
import type { LogLevel } from './configuration.ts'

export type { Logger }

const STANDARD_ERROR = 2

export function createLogger(level: LogLevel): Logger {
  const destination = pino.destination({ fd: STANDARD_ERROR, sync: true })
  // A reader that went away (`pledged serve 2>&1 | head`) is no reason to stop coordinating.
  destination.on('error', () => {})
  return pino(
    {
      level,
      base: null,
      messageKey: 'message',
      errorKey: 'error',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
}
