import type { Break } from './break.ts'

/** As a coordinator for which a majority will do. */
export const commitOnMissingVote: Break = {
  name: 'commit-on-missing-vote',
  does: 'commit is decided although one vote is missing (I2)',
  caughtAs: /^I2: .* was decided without a yes/,
  step: (step) => (state, now, event) => {
    const effects = step(state, now, event)
    if (event.type !== 'message' || event.message.type !== 'vote') return effects
    const { xid } = event.message
    const transaction = state.transactions.get(xid)
    if (transaction?.phase !== 'preparing' || transaction.votesMissing !== 1) return effects
    const missing = transaction.branches.find((branch) => branch.state === 'preparing')
    const link = state.participants.get(missing?.participant ?? '')?.link
    if (missing === undefined || link === undefined) return effects
    const message = { type: 'vote', xid, vote: { vote: 'yes' } } as const
    return [
      ...effects,
      ...step(state, now, { type: 'message', participant: missing.participant, link, message }),
    ]
  },
}
