import { type Checker, endedByHand } from './checker.ts'

/** R1: once a decision is on its way to the disk nobody is told to abort, unless a crash has taken it before it was there. */
export const pointOfNoReturn: Checker = ({ observed }) => {
  const posted = new Set<string>()
  const durable = new Set<string>()
  const byHand = endedByHand(observed)
  const violations: string[] = []
  for (const seen of observed) {
    if (seen.type === 'opened') posted.clear()
    if (seen.type === 'written' && seen.record.type === 'decision') posted.add(seen.record.xid)
    if (seen.type === 'durable' && seen.record.type === 'decision') durable.add(seen.record.xid)
    if (seen.type !== 'sent' || seen.message.type !== 'abort') continue
    const { xid } = seen.message
    if ((posted.has(xid) || durable.has(xid)) && byHand.of(xid).size === 0)
      violations.push(`R1: ${seen.participant} was told to abort ${xid}, whose decision had been posted`)
  }
  return violations
}
