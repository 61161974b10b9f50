import type { LogRecord } from '../../protocol/records.ts'
import type { Break } from './break.ts'

/** As a log that leaves the writing to the operating system: it comes some time, with what is written next. */
export const forceSkipped: Break = {
  name: 'force-skipped',
  does: 'a decision is answered at once and not forced: it reaches the disk with what is written next (I2)',
  caughtAs: /^I2: .* before its record was durable/,
  log: (log) => {
    let left: readonly LogRecord[] = []
    return {
      ...log,
      append: (records, done) => {
        if (records.every(({ type }) => type === 'decision')) {
          left = [...left, ...records]
          queueMicrotask(() => done(undefined))
          return
        }
        const all = [...left, ...records]
        left = []
        log.append(all, done)
      },
    }
  },
}
