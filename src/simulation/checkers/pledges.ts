import type { Observed } from '../observations.ts'
import { DRIFT_MAX } from '../world.ts'
import { type Checker, endedByHand, Groups } from './checker.ts'

/** I4: a yes is on stable storage before it leaves, and stays there until its branch is told how it ends. */
export const pledges: Checker = (history) => {
  const { observed, participants } = history
  const pledged = new Groups()
  const told = new Groups()
  const ended = new Groups()
  const byHand = endedByHand(observed)
  const violations: string[] = []
  for (const seen of observed) {
    if (seen.type === 'sent' && seen.message.type === 'prepare' && seen.message.onePhase === true) {
      told.add(seen.participant, `commit ${seen.message.xid}`)
    }
    if (seen.type === 'sent' && (seen.message.type === 'commit' || seen.message.type === 'abort')) {
      told.add(seen.participant, `${seen.message.type} ${seen.message.xid}`)
    }
    // Its own application took it back, or committed it.
    if (seen.type === 'rolled_back_early') told.add(seen.participant, `abort ${seen.xid}`)
    if (seen.type === 'committed_early') told.add(seen.participant, `commit ${seen.xid}`)
    if (seen.type === 'said' && seen.message.type === 'vote' && seen.message.vote.vote === 'yes') {
      const { xid } = seen.message
      if (!pledged.of(seen.participant).has(xid)) {
        violations.push(`I4: ${seen.participant} voted yes on ${xid} before its pledge was durable`)
      }
    }
    if (seen.type !== 'branch') continue
    const { participant, xid, change } = seen
    if (change === 'pledged') pledged.add(participant, xid)
    if (change !== 'committed' && change !== 'aborted') continue
    ended.add(participant, xid)
    const verb = change === 'committed' ? 'commit' : 'abort'
    if (!told.of(participant).has(`${verb} ${xid}`) && !byHand.of(xid).has(participant)) {
      violations.push(`I4: ${participant} ended ${xid} (${change}) and was not told so`)
    }
  }
  for (const { name, prepared } of participants) {
    for (const xid of pledged.of(name)) {
      if (!ended.of(name).has(xid) && !prepared.has(xid))
        violations.push(`I4: ${name} lost its pledge of ${xid}`)
    }
  }
  return [...violations, ...expiredPledges(observed, history.pledgeMarginMs)]
}

/** pledge_ttl: counted from the sending of prepare, commit is not decided within a margin of its end. */
function expiredPledges(observed: readonly Observed[], marginMs: number): string[] {
  const sentMs = new Map<string, number>()
  const lastVoteMs = new Map<string, number>()
  const ttlMs = new Map<string, number>()
  const committed = new Set<string>()
  const ordered = new Set<string>()
  const violations: string[] = []
  for (const seen of observed) {
    if (seen.type === 'sent' && seen.message.type === 'prepare') sentMs.set(seen.message.xid, seen.atMs)
    if (seen.type === 'heard' && seen.message.type === 'vote') {
      const { xid, vote } = seen.message
      lastVoteMs.set(xid, seen.atMs)
      if (vote.vote === 'yes' && vote.pledgeTtlMs !== undefined) {
        ttlMs.set(xid, Math.min(vote.pledgeTtlMs, ttlMs.get(xid) ?? Number.POSITIVE_INFINITY))
      }
    }
    if (seen.type === 'branch' && seen.change === 'committed') committed.add(seen.xid)
    if (seen.type === 'written' && seen.record.type === 'operator') ordered.add(seen.record.xid)
    if (seen.type !== 'written' || seen.record.type !== 'decision') continue
    const { xid } = seen.record
    // R17: the record of what its participant, or a person there, had committed before.
    if (committed.has(xid)) continue
    // An operator may know better.
    if (ordered.has(xid)) continue
    const elapsedMs = (lastVoteMs.get(xid) ?? 0) - (sentMs.get(xid) ?? 0)
    // By a clock that ran slow it was less.
    const leastMs = elapsedMs * (1 - DRIFT_MAX)
    if (leastMs + marginMs >= (ttlMs.get(xid) ?? Number.POSITIVE_INFINITY)) {
      violations.push(
        `I4: ${xid} was decided ${elapsedMs} ms after its prepare; a pledge lasts ${ttlMs.get(xid)} ms`,
      )
    }
  }
  return violations
}
