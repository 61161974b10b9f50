import type { Break } from './break.ts'

/** The first acknowledgement ends the transaction. */
export const endBeforeLastAcknowledgement: Break = {
  name: 'end-before-last-acknowledgement',
  does: 'a transaction ends at its first acknowledgement, not at its last',
  caughtAs: /^R3: the end of /,
  step: (step) => (state, now, event) => {
    if (event.type === 'message' && event.message.type === 'result') {
      const transaction = state.transactions.get(event.message.xid)
      if (transaction !== undefined && transaction.unacknowledged > 1) transaction.unacknowledged = 1
    }
    return step(state, now, event)
  },
}
