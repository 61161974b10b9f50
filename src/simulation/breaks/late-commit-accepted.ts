import type { Xid } from '../../base/ids.ts'
import { parseXid } from '../../base/ids.ts'
import type { Effect } from '../../protocol/effects.ts'
import type { CommitEvent, Now } from '../../protocol/events.ts'
import { newTransaction, type ProtocolState } from '../../protocol/state.ts'
import type { Break } from './break.ts'

/** R2 undone: an owner who comes back late finds its transaction as it left it, as it would a session by its id. */
export const lateCommitAccepted: Break = {
  name: 'late-commit-accepted',
  does: 'a commit of an xid that its idle timeout has aborted, or of an older epoch, is accepted (R2)',
  caughtAs: /^R2: /,
  step: (step) => {
    /** Their first end is still being written, and has nothing to say of the second life. */
    const endedBefore = new Set<Xid>()
    return (state, now, event) => {
      if (event.type === 'appended' && event.token.of === 'end' && endedBefore.delete(event.token.xid))
        return []
      const effects = step(state, now, event)
      if (event.type !== 'commit' || !wasTooLate(state, event, effects)) return effects
      const xid = event.request.xid as Xid
      if (state.transactions.has(xid)) endedBefore.add(xid)
      revive(state, now, event)
      return step(state, now, event)
    }
  },
}

/** Nothing has run under its xid, and nothing under its request. */
function wasTooLate(state: ProtocolState, { request }: CommitEvent, effects: readonly Effect[]): boolean {
  const asked = state.requests.get(request.caller, request.name?.requestId ?? '')
  if (asked !== undefined && asked.attempts.length > 0) return false
  return effects.some(
    (effect) =>
      (effect.type === 'find_transaction' && effect.xid === request.xid) ||
      (effect.type === 'reply' && effect.transaction.abortCause === 'idle_timeout'),
  )
}

function revive(state: ProtocolState, now: Now, { request }: CommitEvent): void {
  const { epochNumber, sequence } = parseXid(request.xid)
  const transaction = newTransaction({
    xid: request.xid as Xid,
    epochNumber,
    sequence,
    owner: request.caller,
    createTimeMs: now.wallMs,
    traceparent: '',
  })
  state.transactions.set(transaction.xid, transaction)
}
