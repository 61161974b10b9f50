import { type Checker, Groups } from './checker.ts'

/**
 * R12: a decision names every branch that its application has prepared by itself, or there is none. It names all that were
 * enlisted, and nothing that was neither enlisted nor asked for its vote.
 */
export const earlyPledges: Checker = ({ observed }) => {
  const early = new Groups()
  const enlisted = new Groups()
  const asked = new Groups()
  const violations: string[] = []
  for (const seen of observed) {
    if (seen.type === 'prepared_early') early.add(seen.xid, seen.participant)
    if (seen.type === 'enlisted') enlisted.add(seen.xid, seen.participant)
    if (seen.type === 'sent' && seen.message.type === 'prepare') asked.add(seen.message.xid, seen.participant)
    if (seen.type !== 'written' || seen.record.type !== 'decision') continue
    const { xid, branches, readOnly } = seen.record
    const left = [...early.of(xid)].filter((name) => !branches.includes(name))
    if (left.length > 0) violations.push(`R12: the decision of ${xid} leaves out ${left.join(', ')}`)
    const named = [...branches, ...readOnly]
    const forgotten = [...enlisted.of(xid)].filter((name) => !named.includes(name))
    if (forgotten.length > 0)
      violations.push(`R12: the decision of ${xid} says nothing of ${forgotten.join(', ')}, enlisted in it`)
    const strange = named.filter((name) => !enlisted.of(xid).has(name) && !asked.of(xid).has(name))
    if (strange.length > 0 && enlisted.of(xid).size > 0)
      violations.push(`R12: the decision of ${xid} names ${strange.join(', ')}, which nobody has enlisted`)
  }
  return violations
}
