import type { Effect } from '../../protocol/effects.ts'
import type { Break } from './break.ts'

/** What has to wait for the log leaves at once. */
export const commitBeforeSync: Break = {
  name: 'commit-before-sync',
  does: 'commit is sent to the participants before the decision is on stable storage (I2)',
  caughtAs: /^I2: .* before its record was durable/,
  step: (step) => (state, now, event) =>
    step(state, now, event).flatMap((effect): Effect[] =>
      effect.type === 'append' ? [...effect.then, { ...effect, then: [] }] : [effect],
    ),
}
