import type { Effect } from '../../protocol/effects.ts'
import type { ProtocolState } from '../../protocol/state.ts'
import type { Step } from '../../protocol/step.ts'
import type { Break } from './break.ts'

const ATTEMPTS_MAX = 3

/** As systems do whose retries expire: the record goes, the lock stays. */
export const retryGivesUp: Break = {
  name: 'retry-gives-up',
  does: `after ${ATTEMPTS_MAX} attempts a decision is no longer delivered, and its transaction ends`,
  caughtAs: /^R3: the end of .* was written before|^I5: .* still holds/,
  step: (step) => (state, now, event) => {
    const effects = step(state, now, event)
    return event.type === 'deliver' || event.type === 'tick'
      ? [...effects, ...giveUp(step, state, now)]
      : effects
  },
}

function giveUp(step: Step, state: ProtocolState, now: Parameters<Step>[1]): Effect[] {
  const effects: Effect[] = []
  for (const { name, link, owed } of state.participants.values()) {
    if (link === undefined) continue
    for (const [xid, { verb, attempts }] of owed) {
      if (attempts < ATTEMPTS_MAX) continue
      const message = { type: 'result', xid, verb, result: 'done', message: '', evidence: 'none' } as const
      effects.push(...step(state, now, { type: 'message', participant: name, link, message }))
    }
  }
  return effects
}
