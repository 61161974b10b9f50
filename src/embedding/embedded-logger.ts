/** An application's logger, as the reporter wants it. */
import { systemClock, systemTimers } from '../base/ports.ts'
import { type Logger, Reporter } from './reporter.ts'

/** `console` is one, and so is pino's. Without `fatal` that is told as an error. */
export type EmbeddedLogger = Omit<Logger, 'fatal'> & Partial<Pick<Logger, 'fatal'>>

export function reporterTo(logger: EmbeddedLogger | undefined): Reporter {
  const telling = (level: keyof Logger): Logger['info'] => {
    if (logger === undefined) return () => {}
    const named = level === 'fatal' && logger.fatal === undefined ? 'error' : level
    return (facts, message) => {
      try {
        logger[named]?.(facts, message)
      } catch {
        // It is called within a turn of the coordinator: what an application's logger throws must not end that.
      }
    }
  }
  const guarded: Logger = {
    debug: telling('debug'),
    info: telling('info'),
    warn: telling('warn'),
    error: telling('error'),
    fatal: telling('fatal'),
  }
  return new Reporter({ logger: guarded, clock: systemClock, timers: systemTimers })
}
