import type { Effect } from '../../protocol/effects.ts'
import type { ProtocolState } from '../../protocol/state.ts'
import type { Step } from '../../protocol/step.ts'
import type { Break } from './break.ts'

/** R6 undone: what could not be written is taken not to have been, and the log to be as good as before. */
export const goesOnAfterFailedWrite: Break = {
  name: 'goes-on-after-failed-write',
  does: 'a transaction whose decision could not be written is aborted, and others are decided (R6)',
  caughtAs: /^I[13]: /,
  step: (step) => (state, now, event) => {
    if (event.type !== 'append_failed') return step(state, now, event)
    const { token } = event
    const effects = token.of === 'decision' ? abort(step, state, now, token.xid) : step(state, now, event)
    if (state.failure?.code !== 'EPOCH_SUPERSEDED') state.failure = undefined
    return effects
  },
}

/** Nobody waits for this answer. */
const NOBODY = -1

function abort(step: Step, state: ProtocolState, now: Parameters<Step>[1], xid: string): Effect[] {
  const transaction = [...state.transactions.values()].find((other) => other.xid === xid)
  if (transaction === undefined) return []
  transaction.phase = 'preparing'
  const request = { caller: transaction.owner, xid }
  return step(state, now, { type: 'abort', replyTo: NOBODY, request }).filter(
    (effect) => !('replyTo' in effect) || effect.replyTo !== NOBODY,
  )
}
