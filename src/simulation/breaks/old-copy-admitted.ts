import type { Break } from './break.ts'

/** R11 undone: participants keep no epochs. */
export const oldCopyAdmitted: Break = {
  name: 'old-copy-admitted',
  does: 'a participant takes part under an old copy of the log, though it has seen a newer epoch (R11)',
  caughtAs: /^R11: .* answered a coordinator on an old copy/,
  slips: { admitsOlderEpochs: true },
}
