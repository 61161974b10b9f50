/** The core as it is, with a count of what it met and of what it made of it. */
import type { Xid } from '../../base/ids.ts'
import type { Effect } from '../../protocol/effects.ts'
import type { Phase, ProtocolState } from '../../protocol/state.ts'
import type { Step } from '../../protocol/step.ts'
import type { Tally } from '../tally.ts'
import { nameOf, xidOf } from './event-names.ts'

/** No transaction under that xid is in memory. */
export type PhaseOrNone = Phase | 'none'

export function observedStep(tally: Tally, step: Step, sees: (state: ProtocolState) => void): Step {
  // As they were after the step before: only a step changes them.
  const phases = new Map<Xid, Phase>()
  let isFirst = true
  return (state, now, event) => {
    sees(state)
    if (isFirst) for (const [xid, { phase }] of state.transactions) phases.set(xid, phase)
    isFirst = false
    const xid = xidOf(event)
    tally.reach(nameOf(event), xid === undefined ? '' : (phases.get(xid as Xid) ?? 'none'))
    const effects = step(state, now, event)
    countPhases(tally, phases, state)
    for (const effect of effects) countEffect(tally, effect)
    return effects
  }
}

function countPhases(tally: Tally, phases: Map<Xid, Phase>, { transactions }: ProtocolState): void {
  for (const [xid, { phase }] of transactions) {
    const was = phases.get(xid)
    if (was === phase) continue
    tally.reach(`phase ${was ?? 'none'} -> ${phase}`)
    phases.set(xid, phase)
  }
  if (phases.size === transactions.size) return
  for (const [xid, was] of phases) {
    if (transactions.has(xid)) continue
    tally.reach(`phase ${was} -> none`)
    phases.delete(xid)
  }
}

function countEffect(tally: Tally, effect: Effect): void {
  switch (effect.type) {
    case 'send':
      return tally.reach(`send ${effect.message.type}`)
    case 'reply':
      return tally.reach(`reply ${effect.transaction.outcome}`)
    case 'refuse':
      return tally.reach(`refuse ${effect.error.code}`)
    case 'append':
      for (const record of effect.records) {
        tally.reach(`record ${record.type}`)
        if (record.type === 'aborted') tally.reach(`cause ${record.cause}`)
      }
      return
    default:
      // Signals of recovery are counted where they arrive.
      tally.reach(`effect ${effect.type}`)
  }
}
