import type { Break } from './break.ts'

/** R10 undone: a name is all that a participant is asked for. */
export const impostorAdmitted: Break = {
  name: 'impostor-admitted',
  does: 'another resource that answers to the name of a participant is taken for it (R10)',
  caughtAs: /^R10: /,
  step: (step) => (state, now, event) => {
    if (event.type !== 'link_opened') return step(state, now, event)
    const known = state.participants.get(event.identity.name)
    const resourceId = known?.known === true ? known.resourceId : event.identity.resourceId
    return step(state, now, { ...event, identity: { ...event.identity, resourceId } })
  },
}
