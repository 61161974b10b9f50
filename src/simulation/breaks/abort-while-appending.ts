import type { ProtocolState, Transaction } from '../../protocol/state.ts'
import type { Break } from './break.ts'

/** R1 undone: a participant that is lost, or its owner, aborts a transaction whose decision is being written. */
export const abortWhileAppending: Break = {
  name: 'abort-while-appending',
  does: 'a lost participant or its owner aborts a transaction whose decision is being written (R1)',
  caughtAs: /^R1: /,
  step: (step) => (state, now, event) => {
    if (event.type === 'link_closed') reopen(state, (other) => takesPart(other, event.participant))
    if (event.type === 'abort') reopen(state, (other) => other.xid === event.request.xid)
    const { token } = event.type === 'appended' ? event : {}
    // Its answer comes too late: the transaction has been aborted.
    if (token?.of === 'decision' && state.transactions.get(token.xid)?.phase !== 'appending') return []
    return step(state, now, event)
  },
}

function reopen(state: ProtocolState, which: (transaction: Transaction) => boolean): void {
  for (const transaction of state.transactions.values()) {
    if (transaction.phase !== 'appending' || !which(transaction)) continue
    transaction.phase = 'preparing'
    for (const { participant } of transaction.branches) {
      state.participants.get(participant)?.voting.add(transaction)
    }
  }
}

function takesPart(transaction: Transaction, participant: string): boolean {
  return transaction.branches.some((branch) => branch.participant === participant)
}
