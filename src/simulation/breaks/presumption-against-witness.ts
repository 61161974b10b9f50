import type { Break } from './break.ts'

/** R4 undone at its other end: the witness is asked, and its answer is not heard. */
export const presumptionAgainstWitness: Break = {
  name: 'presumption-against-witness',
  does: 'a branch is presumed aborted although the witness of another says that it committed (R4)',
  caughtAs: /^R4: .* says that it committed/,
  step: (step) => (state, now, event) => {
    if (event.type !== 'message' || event.message.type !== 'evidence_answer') return step(state, now, event)
    const { message } = event
    const evidence = message.evidence === 'witness_committed' ? 'no_witness' : message.evidence
    return step(state, now, { ...event, message: { ...message, evidence } })
  },
}
