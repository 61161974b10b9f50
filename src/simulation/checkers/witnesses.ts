import { type Checker, type FinishedHistory, handedOver } from './checker.ts'

/** What becomes of witnesses, and what they are asked for. */
export const witnesses: Checker = (history) => [...sweptTooEarly(history), ...presumedAgainst(history)]

/** R5: the witness of a transaction that has a record goes when the record of its end is durable, and not before. */
function sweptTooEarly({ observed }: FinishedHistory): string[] {
  const decided = new Set<string>()
  const ended = new Set<string>()
  const violations: string[] = []
  for (const seen of observed) {
    if (seen.type === 'durable') {
      const { record } = seen
      if (record.type === 'decision' || record.type === 'one_phase') decided.add(record.xid)
      if (record.type === 'end' || record.type === 'aborted') ended.add(record.xid)
    }
    if (seen.type !== 'branch' || seen.change !== 'swept') continue
    if (decided.has(seen.xid) && !ended.has(seen.xid)) {
      violations.push(`R5: the witness of ${seen.xid} at ${seen.participant} went before its end was durable`)
    }
  }
  return violations
}

/** R4: nothing is presumed aborted of which a witness says that it committed, for as long as that is remembered. */
function presumedAgainst({ observed, orphanGraceMs }: FinishedHistory): string[] {
  const handed = handedOver(observed)
  const askedMs = new Map<string, number>()
  const saidBy = new Map<string, string>()
  const told = new Set<string>()
  const violations: string[] = []
  for (const seen of observed) {
    // What was heard and is not on record yet dies with the coordinator; it asks again.
    if (seen.type === 'opened') {
      saidBy.clear()
      askedMs.clear()
    }
    // A person has it told again, or ends what is left of it.
    if (seen.type === 'ordered' && 'xid' in seen.request) told.add(seen.request.xid)
    if (seen.type === 'heard' && seen.message.type === 'evidence_answer') {
      const { xid, evidence } = seen.message
      const tookMs = seen.atMs - (askedMs.get(xid) ?? 0)
      // Near the end of the grace, by whatever clock, either may be first: the answer, or the presumption.
      const inTime = tookMs < orphanGraceMs / 2
      if (evidence === 'witness_committed' && inTime && !handed.has(xid) && !told.has(xid))
        saidBy.set(xid, seen.participant)
    }
    if (seen.type !== 'sent') continue
    const { participant, message } = seen
    if (message.type === 'evidence_question' && !askedMs.has(message.xid)) askedMs.set(message.xid, seen.atMs)
    if (message.type !== 'abort' || told.has(message.xid)) continue
    told.add(message.xid)
    const witness = saidBy.get(message.xid)
    if (witness === undefined) continue
    violations.push(
      `R4: abort of ${message.xid} was sent to ${participant}, and the witness of ${witness} says that it committed`,
    )
  }
  return violations
}
