import type { DecisionRecord, OnePhaseRecord } from '../../protocol/records.ts'
import { type Checker, committedAlone, durableDecisions, endedByHand } from './checker.ts'

/** The oracle outside: what participants have applied is what was decided, once; a request is done once. */
export const values: Checker = ({ observed, participants }) => {
  const decisions = durableDecisions(observed)
  const alone = committedAlone(observed)
  const byHand = endedByHand(observed)
  const violations: string[] = []
  for (const { name, applied } of participants) {
    for (const [xid, times] of applied) {
      if (byHand.of(xid).has(name)) continue
      if (decisions.get(xid)?.branches.includes(name) !== true && alone.get(xid)?.participant !== name)
        violations.push(`values: ${name} applied ${xid}, undecided`)
      if (times !== 1) violations.push(`values: ${name} applied ${xid} ${times} times`)
    }
  }
  const present = new Set(participants.map(({ name }) => name))
  for (const { xid, branches } of decisions.values()) {
    for (const branch of branches) {
      const applied = participants.find(({ name }) => name === branch)?.applied.has(xid)
      if (present.has(branch) && applied !== true && !byHand.of(xid).has(branch))
        violations.push(`values: ${branch} has not applied ${xid}`)
    }
  }
  const doneAs = new Map<string, string>()
  for (const { xid, request } of new Map<string, DecisionRecord | OnePhaseRecord>([
    ...alone,
    ...decisions,
  ]).values()) {
    // A person who committed by hand what had aborted has done it once more, and is on record.
    if (request === undefined || (!decisions.has(xid) && byHand.of(xid).size > 0)) continue
    const key = `${request.caller}/${request.requestId}`
    const before = doneAs.get(key)
    if (before !== undefined) violations.push(`I3: ${key} was done twice, as ${before} and ${xid}`)
    doneAs.set(key, xid)
  }
  return violations
}
