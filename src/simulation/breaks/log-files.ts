/** Bugs of whoever opens the log's files. */
import type { Break } from './break.ts'

/** R7 undone: a log from which records are missing is shorter, and nothing else. */
export const damagedLogOpened: Break = {
  name: 'damaged-log-opened',
  does: 'a log that has lost forced records is opened as if it had never had them (R7)',
  caughtAs: /^(I1|I3|I7|values): /,
  disk: { opensDamaged: true },
}

/** R8 undone: the lock keeps nobody out, and nothing fences who was there before. */
export const secondOwnerAccepted: Break = {
  name: 'second-owner-accepted',
  does: 'a second coordinator opens the log that another one has open, and both decide (R8)',
  caughtAs: /^R2: .* was written in epoch/,
  disk: { ignoresLock: true },
}
