import type { Break } from './break.ts'

/** As a coordinator for which an abort that was refused has been an abort all the same. */
export const onePhaseWitnessIgnored: Break = {
  name: 'one-phase-witness-ignored',
  does: 'the answer to a one-phase commit was lost, and the witness of its commit is not looked at (R17)',
  caughtAs: /^I7: .* answered "aborted" and is committed/,
  step: (step) => (state, now, event) => {
    if (event.type !== 'message' || event.message.type !== 'result') return step(state, now, event)
    const { message } = event
    const handedOver = state.transactions.get(message.xid)?.phase === 'handed_over'
    const result = handedOver && message.result === 'broken' ? 'done' : message.result
    return step(state, now, { ...event, message: { ...message, result } })
  },
}
