import type { XidPosition } from '../../base/ids.ts'
import { compareXids, tryParseXid } from '../../base/ids.ts'
import { type Checker, endedByHand, Groups, issuedByCopies } from './checker.ts'

/** I5: when faults have healed, every transaction has ended, and everybody who asks is answered. */
export const healed: Checker = ({ observed, participants, coordinator, unanswered }) => {
  if (coordinator === undefined) return ['I5: the coordinator does not serve']
  const foreign = new Groups()
  for (const seen of observed) {
    if (seen.type === 'planted' && seen.why !== 'orphan') foreign.add(seen.participant, seen.xid)
  }
  const byHand = endedByHand(observed)
  const ofCopies = issuedByCopies(observed)
  const violations: string[] = []
  for (const { name, prepared } of participants) {
    const left = [...prepared].filter(
      (xid) =>
        !foreign.of(name).has(xid) &&
        !ofCopies.has(xid) &&
        !isForgotten(xid, coordinator.forgottenThrough) &&
        // A person committed it elsewhere: it waits for a person.
        byHand.of(xid).size === 0,
    )
    if (left.length > 0) violations.push(`I5: ${name} still holds ${left.join(', ')}`)
  }
  const { unfinished, inDoubt, heuristics } = coordinator
  if (unfinished > 0) violations.push(`I5: ${unfinished} transactions are unfinished`)
  if (inDoubt > 0) violations.push(`I5: ${inDoubt} transactions are in doubt`)
  if (heuristics > 0 && byHand.size === 0)
    violations.push(`I5: ${heuristics} broken pledges were reported, and nobody broke one`)
  if (unanswered > 0) violations.push(`I5: ${unanswered} questions were not answered`)
  return violations
}

function isForgotten(xid: string, through: XidPosition | undefined): boolean {
  const parts = tryParseXid(xid)
  return parts !== undefined && through !== undefined && compareXids(parts, through) <= 0
}
