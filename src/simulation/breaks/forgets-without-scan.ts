import type { Break } from './break.ts'

/** R9 undone: what has been kept for long enough is forgotten, whoever may still hold it. */
export const forgetsWithoutScan: Break = {
  name: 'forgets-without-scan',
  does: 'an xid is forgotten when its time is over, and no participant is asked whether it holds it (R9)',
  caughtAs: /^R9: .* was forgotten while/,
  step: (step) => (state, now, event) => {
    const effects = step(state, now, event)
    if (event.type !== 'expired' || state.forgetCandidate === undefined) return effects
    for (const participant of state.participants.values()) participant.clearOfCandidate = true
    return [...effects, ...step(state, now, event)]
  },
}
