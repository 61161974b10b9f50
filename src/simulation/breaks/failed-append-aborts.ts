import type { Break } from './break.ts'

/** R6 undone: the record may come back after a restart. */
export const failedAppendAborts: Break = {
  name: 'failed-append-aborts',
  does: 'a decision that could not be written is answered "aborted" instead of "unknown" (R6)',
  caughtAs: /^I[37]: .* answered "aborted"/,
  step: (step) => (state, now, event) =>
    step(state, now, event).map((effect) =>
      effect.type === 'reply' && effect.transaction.outcome === 'unknown'
        ? { ...effect, transaction: { ...effect.transaction, outcome: 'aborted', state: 'aborted' } }
        : effect,
    ),
}
