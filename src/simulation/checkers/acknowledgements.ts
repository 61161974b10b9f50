import { type Checker, endedByHand, Groups } from './checker.ts'

/** An end is written, and completion told, only when every branch has ended; what has ended stays ended (R3, R4). */
export const acknowledgements: Checker = ({ observed, participants }) => {
  const keepers = new Set(participants.filter(({ keepsWitnesses }) => keepsWitnesses).map(({ name }) => name))
  const branchesOf = new Map<string, readonly string[]>()
  const committedAt = new Groups()
  const pledgedAt = new Groups()
  const abortSaid = new Groups()
  const saidNo = new Groups()
  const byHand = endedByHand(observed)
  const violations: string[] = []
  const incomplete = (xid: string) =>
    (branchesOf.get(xid) ?? []).filter((name) => !committedAt.of(xid).has(name) && !byHand.of(xid).has(name))
  for (const seen of observed) {
    if (seen.type === 'durable' || seen.type === 'written') {
      const { record } = seen
      if (record.type === 'decision') branchesOf.set(record.xid, record.branches)
      if (record.type === 'end' && incomplete(record.xid).length > 0) {
        violations.push(
          `R3: the end of ${record.xid} was written before ${incomplete(record.xid).join(', ')} committed`,
        )
      }
      if (record.type === 'aborted') {
        const left = record.branches.filter(
          (name) =>
            keepers.has(name) &&
            pledgedAt.of(record.xid).has(name) &&
            // It lost sight of its prepare, and is told nothing: a scan finds what came of it.
            !saidNo.of(record.xid).has(name) &&
            !byHand.of(record.xid).has(name),
        )
        if (left.length > 0)
          violations.push(`R3: the end of ${record.xid} was written before ${left.join(', ')} aborted`)
      }
    }
    if (seen.type === 'answered' && seen.said.outcome === 'committed' && seen.said.state === 'committed') {
      const left = incomplete(seen.said.xid)
      if (left.length > 0)
        violations.push(`R3: ${seen.said.xid} was answered complete before ${left.join(', ')} committed`)
    }
    if (seen.type === 'said' && seen.message.type === 'vote' && seen.message.vote.vote === 'no')
      saidNo.add(seen.message.xid, seen.participant)
    if (seen.type === 'said' && seen.message.type === 'result' && seen.message.verb === 'abort') {
      const { xid, result } = seen.message
      if (result === 'done' || result === 'done_before') abortSaid.add(seen.participant, xid)
    }
    if (seen.type !== 'branch') continue
    const { participant, xid, change } = seen
    switch (change) {
      case 'pledged':
        pledgedAt.add(xid, participant)
        if (keepers.has(participant) && abortSaid.of(participant).has(xid)) {
          violations.push(`R4: ${participant} had acknowledged the abort of ${xid}, then pledged it`)
        }
        break
      case 'committed':
        committedAt.add(xid, participant)
        pledgedAt.delete(xid, participant)
        break
      case 'aborted':
        pledgedAt.delete(xid, participant)
        break
      case 'closed':
        break
      case 'swept':
        // R5: its transaction has ended; from here a late prepare is found by the next scan.
        abortSaid.delete(participant, xid)
        break
    }
  }
  return violations
}
