import type { Break } from './break.ts'

/** As systems do that take an error on commit for "it was committed before". */
export const unknownTakenForDone: Break = {
  name: 'unknown-taken-for-done',
  does: 'a branch that answers "unknown" is taken to have ended (R3, I7)',
  caughtAs: /^R3: /,
  step: (step) => (state, now, event) => {
    if (event.type !== 'message' || event.message.type !== 'result') return step(state, now, event)
    const { message } = event
    const result = message.result === 'unknown' ? 'done' : message.result
    return step(state, now, { ...event, message: { ...message, result } })
  },
}
