import { type Checker, Groups } from './checker.ts'

/** R12: a decision names every branch that its application has prepared by itself, or there is none. */
export const earlyPledges: Checker = ({ observed }) => {
  const early = new Groups()
  const violations: string[] = []
  for (const seen of observed) {
    if (seen.type === 'prepared_early') early.add(seen.xid, seen.participant)
    if (seen.type !== 'written' || seen.record.type !== 'decision') continue
    const { xid, branches } = seen.record
    const left = [...early.of(xid)].filter((name) => !branches.includes(name))
    if (left.length > 0) violations.push(`R12: the decision of ${xid} leaves out ${left.join(', ')}`)
  }
  return violations
}
