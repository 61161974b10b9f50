import { type Checker, committedAlone, durableDecisions } from './checker.ts'

/**
 * R11: participants know an old copy of the log for what it is, and do nothing for it; once they have told it so, it
 * says of nothing that it was aborted which the log has as committed. Until then it can't know better.
 */
export const oldCopies: Checker = ({ observed }) => {
  const decisions = durableDecisions(observed)
  const alone = committedAlone(observed)
  const violations: string[] = []
  for (const seen of observed) {
    if (seen.type === 'said_to_copy' && seen.message.type !== 'admission_refused') {
      const { participant, message } = seen
      violations.push(
        `R11: ${participant} answered a coordinator on an old copy of its log (${message.type})`,
      )
    }
    if (seen.type !== 'answered_by_copy' || !seen.isFoundOut || seen.said.outcome !== 'aborted') continue
    const { xid } = seen.said
    if (decisions.has(xid) || alone.has(xid))
      violations.push(`R11: an old copy that was found out answered "aborted" of ${xid}, which is committed`)
  }
  return violations
}
