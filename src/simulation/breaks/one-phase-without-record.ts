import type { Break } from './break.ts'

/** As coordinators that need no log where there is one resource. */
export const onePhaseWithoutRecord: Break = {
  name: 'one-phase-without-record',
  does: 'the record of a one-phase commit is never written: after a crash its xid is presumed aborted (R17)',
  caughtAs: /^R17: .* before its record was durable/,
  log: (log) => ({
    ...log,
    append: (records, done) => {
      if (records.some(({ type }) => type === 'one_phase')) queueMicrotask(() => done(undefined))
      else log.append(records, done)
    },
  }),
}
