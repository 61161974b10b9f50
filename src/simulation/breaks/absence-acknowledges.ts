import type { Effect } from '../../protocol/effects.ts'
import type { Break } from './break.ts'

/** R3 undone: what a scan does not show is taken to have ended. */
export const absenceAcknowledges: Break = {
  name: 'absence-acknowledges',
  does: 'a branch that is absent from a scan is taken to have acknowledged (R3)',
  caughtAs: /^R3: /,
  step: (step) => (state, now, event) => {
    if (event.type !== 'message' || event.message.type !== 'held' || event.message.nextPageToken !== '') {
      return step(state, now, event)
    }
    const participant = state.participants.get(event.participant)
    const shown = new Set(
      [...(participant?.scan?.held ?? []), ...event.message.branches].map(({ xid }) => xid),
    )
    const effects: Effect[] = step(state, now, event)
    for (const [xid, { verb }] of participant?.owed ?? []) {
      if (shown.has(xid)) continue
      const message = { type: 'result', xid, verb, result: 'done', message: '', evidence: 'none' } as const
      effects.push(...step(state, now, { ...event, message }))
    }
    return effects
  },
}
