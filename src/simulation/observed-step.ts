/** The core as it is, with a count of what it met: events, messages, effects, and causes of aborts. */
import type { Step } from '../protocol/step.ts'
import type { Tally } from './tally.ts'

export function observedStep(tally: Tally, step: Step): Step {
  return (state, now, event) => {
    tally.reach(`event ${event.type}`)
    if (event.type === 'message') {
      const { message } = event
      tally.reach(`message ${message.type}`)
      if (message.type === 'vote') tally.reach(`vote ${message.vote.vote}`)
      if (message.type === 'result') tally.reach(`result ${message.verb} ${message.result}`)
      if (message.type === 'evidence_answer') tally.reach(`evidence ${message.evidence}`)
    }
    if (event.type === 'append_failed') tally.reach(`append failed ${event.token.of}`)
    const effects = step(state, now, event)
    for (const effect of effects) {
      tally.reach(`effect ${effect.type}`)
      if (effect.type === 'refuse') tally.reach(`refused ${effect.error.code}`)
      if (effect.type === 'recovery') tally.reach(`signal ${effect.signal.type}`)
      if (effect.type !== 'append') continue
      for (const record of effect.records) {
        tally.reach(`record ${record.type}`)
        if (record.type === 'aborted') tally.reach(`cause ${record.cause}`)
      }
    }
    return effects
  }
}
