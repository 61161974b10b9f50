import type { Break } from './break.ts'

/** A disk, or a backend, that says "durable" when the record is only on its way. */
export const syncAnsweredEarly: Break = {
  name: 'sync-answered-early',
  does: 'the log answers an append when it is written, not when it is on stable storage (I2)',
  caughtAs: /^I2: .* before its record was durable/,
  log: (log) => ({
    ...log,
    append: (records, done) => {
      log.append(records, () => {})
      queueMicrotask(() => done(undefined))
    },
  }),
}
