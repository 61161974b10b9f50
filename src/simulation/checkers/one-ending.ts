import { type Checker, endedByHand, Groups } from './checker.ts'

/** I1: all branches of a transaction that end, end the same way, unless a person broke a pledge. */
export const oneEnding: Checker = ({ observed }) => {
  const committedAt = new Groups()
  const abortedAt = new Groups()
  for (const seen of observed) {
    if (seen.type !== 'branch') continue
    if (seen.change === 'committed') committedAt.add(seen.xid, seen.participant)
    if (seen.change === 'aborted' || seen.change === 'closed') abortedAt.add(seen.xid, seen.participant)
  }
  const byHand = endedByHand(observed)
  const violations: string[] = []
  for (const [xid, committed] of committedAt.entries()) {
    const aborted = abortedAt.of(xid)
    if (aborted.size === 0 || byHand.of(xid).size > 0) continue
    violations.push(
      `I1: ${xid} committed at ${[...committed].join(', ')} and aborted at ${[...aborted].join(', ')}`,
    )
  }
  return violations
}
