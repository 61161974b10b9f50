import { type Checker, Groups } from './checker.ts'

/** R13: of those that wait for one another, somebody always goes on. A ring of waits ends only by its timeouts. */
export const waits: Checker = ({ observed }) => {
  /** For whom each transaction waits, at any participant. */
  const waitsFor = new Groups()
  const violations: string[] = []
  for (const seen of observed) {
    if (seen.type === 'waited') waitsFor.delete(seen.xid, seen.holder)
    if (seen.type !== 'waits') continue
    waitsFor.add(seen.xid, seen.holder)
    if (reaches(waitsFor, seen.holder, seen.xid)) {
      violations.push(`R13: ${seen.xid} waits for ${seen.holder}, which waits for it`)
    }
  }
  return violations
}

function reaches(waitsFor: Groups, from: string, to: string): boolean {
  const met = new Set<string>()
  const next = [from]
  for (let xid = next.pop(); xid !== undefined; xid = next.pop()) {
    if (xid === to) return true
    if (met.has(xid)) continue
    met.add(xid)
    next.push(...waitsFor.of(xid))
  }
  return false
}
