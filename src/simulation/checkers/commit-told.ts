import type { DecisionRecord } from '../../protocol/records.ts'
import { type Checker, endedByHand, Groups, readOnlyTransactions } from './checker.ts'

/** I2: commit is decided only on all votes, and told to nobody before the decision is on stable storage. */
export const commitTold: Checker = ({ observed }) => {
  const asked = new Groups()
  const yes = new Groups()
  const readOnly = new Groups()
  const durable = new Set<string>()
  const recorded = new Set<string>()
  const handed = new Set<string>()
  const committedAlone = new Set<string>()
  const early = new Groups()
  const byHand = endedByHand(observed)
  const harmless = readOnlyTransactions(observed)
  const violations: string[] = []
  const missing = (xid: string) =>
    [...asked.of(xid)].filter((name) => !yes.of(xid).has(name) && !readOnly.of(xid).has(name))
  const decided = ({ xid, branches }: DecisionRecord) => {
    // R17: the commit of its one participant is the decision.
    if (committedAlone.has(xid)) return
    const lacking = [...missing(xid), ...branches.filter((name) => !yes.of(xid).has(name))].filter(
      (name) => !byHand.of(xid).has(name),
    )
    if (lacking.length > 0) violations.push(`I2: ${xid} was decided without a yes of ${lacking.join(', ')}`)
    const left = [...yes.of(xid)].filter((name) => !branches.includes(name))
    if (left.length > 0) violations.push(`I2: the decision of ${xid} leaves out ${left.join(', ')}`)
  }
  for (const seen of observed) {
    if (seen.type === 'durable' && seen.record.type === 'one_phase') recorded.add(seen.record.xid)
    if (seen.type === 'branch' && seen.change === 'committed' && handed.has(seen.xid))
      committedAlone.add(seen.xid)
    if (seen.type === 'sent' && seen.message.type === 'prepare') {
      asked.add(seen.message.xid, seen.participant)
      if (seen.message.onePhase === true) {
        handed.add(seen.message.xid)
        if (!recorded.has(seen.message.xid))
          violations.push(`R17: ${seen.message.xid} was handed over before its record was durable`)
        if (asked.of(seen.message.xid).size + early.of(seen.message.xid).size > 1)
          violations.push(`R17: ${seen.message.xid} was handed over and has other branches`)
      }
    }
    // What an application has prepared is as good as a yes once it is on stable storage.
    if (seen.type === 'prepared_early') early.add(seen.xid, seen.participant)
    if (seen.type === 'branch' && seen.change === 'pledged' && early.of(seen.xid).has(seen.participant))
      yes.add(seen.xid, seen.participant)
    if (seen.type === 'heard' && seen.message.type === 'vote') {
      const { xid, vote } = seen.message
      if (vote.vote === 'yes') yes.add(xid, seen.participant)
      if (vote.vote === 'read_only') readOnly.add(xid, seen.participant)
    }
    if (seen.type === 'written' && seen.record.type === 'decision') decided(seen.record)
    if (seen.type === 'durable' && seen.record.type === 'decision') durable.add(seen.record.xid)
    if (seen.type === 'sent' && seen.message.type === 'commit' && !durable.has(seen.message.xid)) {
      // An operator ends what a lost log has left behind.
      if (byHand.of(seen.message.xid).has(seen.participant)) continue
      violations.push(
        `I2: commit of ${seen.message.xid} was sent to ${seen.participant} before its record was durable`,
      )
    }
    if (seen.type === 'answered' && seen.said.outcome === 'committed' && !durable.has(seen.said.xid)) {
      const { xid } = seen.said
      if (committedAlone.has(xid)) continue
      if (!harmless.has(xid))
        violations.push(`I2: a client was answered "committed" for ${xid} before its record was durable`)
    }
  }
  return violations
}
