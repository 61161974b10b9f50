import type { Break } from './break.ts'

/** A vote is a vote. */
export const noVoteCounts: Break = {
  name: 'no-vote-counts',
  does: 'a no vote is counted as a yes (I2)',
  caughtAs: /^I2: .* was decided without a yes/,
  step: (step) => (state, now, event) => {
    if (event.type !== 'message' || event.message.type !== 'vote') return step(state, now, event)
    const { message } = event
    const vote = message.vote.vote === 'no' ? ({ vote: 'yes' } as const) : message.vote
    return step(state, now, { ...event, message: { ...message, vote } })
  },
}
