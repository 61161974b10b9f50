import {
  type Checker,
  committedAlone,
  durableDecisions,
  endedByHand,
  Groups,
  readOnlyTransactions,
} from './checker.ts'

/**
 * What the SDK told an application is what happened (I3): committed is decided; what aborted, or failed, is not, under none of
 * the xids that it was tried under. Unknown says nothing (I7).
 */
export const applications: Checker = ({ observed }) => {
  const decisions = durableDecisions(observed)
  const alone = committedAlone(observed)
  const harmless = readOnlyTransactions(observed)
  const byHand = endedByHand(observed)
  const begun = new Groups()
  const violations: string[] = []
  const isCommitted = (xid: string) => decisions.has(xid) || alone.has(xid)
  for (const seen of observed) {
    if (seen.type === 'begun_early') begun.add(String(seen.work), seen.xid)
    if (seen.type !== 'application_told') continue
    const { work, outcome, xid, message } = seen
    if (outcome === 'committed' && xid !== undefined && !isCommitted(xid) && !harmless.has(xid))
      violations.push(`I3: an application was told "committed" of ${xid}, which is not`)
    if (outcome !== 'aborted' && outcome !== 'failed') continue
    const tried = new Set(begun.of(String(work)))
    if (xid !== undefined) tried.add(xid)
    const done = [...tried].filter(
      (other) => isCommitted(other) && !harmless.has(other) && byHand.of(other).size === 0,
    )
    for (const other of done)
      violations.push(`I3: an application was told "${outcome}" of ${other}, which is committed (${message})`)
  }
  return violations
}
