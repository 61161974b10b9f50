import type { Checker } from './checker.ts'

/**
 * R1, its last sentence: once it has asked for the commit, an application takes a branch back only when it was told that the
 * transaction has aborted; and it commits one only when it was told that this is what was decided.
 */
export const earlyEndings: Checker = ({ observed }) => {
  const asked = new Set<string>()
  const told = new Map<string, string>()
  const violations: string[] = []
  for (const seen of observed) {
    // By a call of its own it can't be asked for: that is refused, whatever it is (R12).
    const call = seen.type === 'called' && seen.call.session !== undefined ? seen.call : undefined
    if (call?.verb === 'commit' && call.xid !== undefined) asked.add(call.xid)
    if (seen.type === 'told' && seen.call.session !== undefined) told.set(seen.said.xid, seen.said.outcome)
    if (seen.type === 'committed_early' && told.get(seen.xid) !== 'committed')
      violations.push(
        `R1: an application committed its branch of ${seen.xid} at ${seen.participant} before it was told so`,
      )
    if (seen.type === 'rolled_back_early' && asked.has(seen.xid) && told.get(seen.xid) !== 'aborted')
      violations.push(
        `R1: an application rolled back its branch of ${seen.xid} at ${seen.participant}, had asked for the commit, and ` +
          'was not told that it aborted',
      )
  }
  return violations
}
