import { type Checker, endedByHand } from './checker.ts'

/** R2: what the log has recorded or told as aborted is not decided afterwards, by whomever it is asked. */
export const lateCommits: Checker = ({ observed }) => {
  const aborted = new Set<string>()
  const byHand = endedByHand(observed)
  const violations: string[] = []
  for (const seen of observed) {
    if (seen.type === 'written' && seen.record.type === 'aborted') aborted.add(seen.record.xid)
    if (seen.type === 'answered' && seen.said.outcome === 'aborted') aborted.add(seen.said.xid)
    if (seen.type !== 'written' || seen.record.type !== 'decision') continue
    const { xid } = seen.record
    // R17: of what was handed over, a person's commit is the decision, whoever was told what before.
    if (aborted.has(xid) && byHand.of(xid).size === 0)
      violations.push(`R2: ${xid} was decided after it had aborted`)
  }
  return violations
}
