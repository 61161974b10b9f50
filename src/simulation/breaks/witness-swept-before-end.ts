import type { Xid } from '../../base/ids.ts'
import type { Effect } from '../../protocol/effects.ts'
import type { ProtocolState } from '../../protocol/state.ts'
import type { Break } from './break.ts'

/** R5 undone: a crash takes the end record, and the commit that is delivered again finds no trace of the first. */
export const witnessSweptBeforeEnd: Break = {
  name: 'witness-swept-before-end',
  does: 'a witness is removed once all have acknowledged, before the end record is durable (R5)',
  caughtAs: /^R5: /,
  step: (step) => (state, now, event) =>
    step(state, now, event).flatMap((effect) =>
      effect.type === 'append' && effect.token.of === 'end'
        ? [effect, ...sweeps(state, effect.token.xid)]
        : [effect],
    ),
}

function sweeps(state: ProtocolState, xid: Xid): Effect[] {
  const branches = state.transactions.get(xid)?.branches ?? []
  return branches
    .filter(
      ({ state: ended, participant }) =>
        ended === 'committed' && state.participants.get(participant)?.keepsWitnesses,
    )
    .map(({ participant }) => ({ type: 'send', participant, message: { type: 'forget', xid } }))
}
