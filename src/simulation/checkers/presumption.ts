import { compareXids, tryParseXid } from '../../base/ids.ts'
import type { Observed, Planted } from '../observations.ts'
import { type Checker, endedByHand, type FinishedHistory, Groups } from './checker.ts'

/** I6: only the log that issued an xid presumes, and never of an xid that it has forgotten. R9: how it forgets. */
export const presumption: Checker = (history) => [
  ...presumedForeign(history.observed),
  ...forgotHeld(history),
]

function presumedForeign(observed: readonly Observed[]): string[] {
  const planted = new Map<string, Planted>()
  const violations: string[] = []
  const byHand = endedByHand(observed)
  let epoch = ''
  for (const seen of observed) {
    if (seen.type === 'opened') epoch = seen.epoch
    if (seen.type === 'planted') planted.set(`${seen.participant} ${seen.xid}`, seen.why)
    if (seen.type !== 'sent' || (seen.message.type !== 'commit' && seen.message.type !== 'abort')) continue
    const { type: verb, xid } = seen.message
    const why = planted.get(`${seen.participant} ${xid}`)
    if (why === undefined || mayBeTold(why, verb, xid, epoch)) continue
    if (byHand.of(xid).has(seen.participant)) continue
    violations.push(`I6: ${verb} was sent to ${seen.participant} for ${xid}, which was planted as ${why}`)
  }
  return violations
}

/** An orphan is the log's own; so is, once its epoch is over, what has not been issued in it. */
function mayBeTold(why: Planted, verb: string, xid: string, epoch: string): boolean {
  if (verb !== 'abort') return false
  return why === 'orphan' || (why === 'not_issued' && tryParseXid(xid)?.epoch !== epoch)
}

/** R9: when an xid is forgotten, no participant holds it. */
function forgotHeld({ observed, participants }: FinishedHistory): string[] {
  const keepers = new Set(participants.filter(({ keepsWitnesses }) => keepsWitnesses).map(({ name }) => name))
  const planted = new Set<string>()
  const held = new Groups()
  const byHand = endedByHand(observed)
  const violations: string[] = []
  let logId = ''
  for (const seen of observed) {
    if (seen.type === 'opened') logId = seen.logId
    if (seen.type === 'planted') planted.add(seen.xid)
    if (seen.type === 'branch') {
      if (seen.change === 'pledged') held.add(seen.participant, seen.xid)
      if (seen.change === 'committed' || seen.change === 'aborted') held.delete(seen.participant, seen.xid)
    }
    if (seen.type !== 'written' || seen.record.type !== 'forgotten') continue
    for (const [name, xids] of held.entries()) {
      if (!keepers.has(name)) continue
      for (const xid of xids) {
        const parts = tryParseXid(xid)
        if (parts === undefined || parts.logId !== logId || planted.has(xid)) continue
        if (byHand.of(xid).has(name)) continue
        if (compareXids(parts, seen.record) <= 0)
          violations.push(`R9: ${xid} was forgotten while ${name} held it`)
      }
    }
  }
  return violations
}
