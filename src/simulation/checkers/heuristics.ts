import { type Checker, durableDecisions, endedByHand, Groups, handedOver } from './checker.ts'

/** I1: a broken pledge is on record for ever, and nothing else is reported as one. */
export const heuristics: Checker = ({ observed }) => {
  const decisions = durableDecisions(observed)
  const byHand = endedByHand(observed)
  const handed = handedOver(observed)
  const givenUp = new Groups()
  const recorded = new Set<string>()
  const violations: string[] = []
  for (const seen of observed) {
    if (seen.type !== 'durable' || seen.record.type !== 'heuristic') continue
    const { xid, participant, ended } = seen.record
    recorded.add(`${xid} ${participant} ${ended}`)
    if (!byHand.of(xid).has(participant)) {
      violations.push(`I1: ${participant} is said to have broken its pledge of ${xid}, and did not`)
    }
  }
  for (const seen of observed) {
    if (seen.type === 'ordered' && seen.request.action === 'forget_branch')
      givenUp.add(seen.request.xid, seen.request.participant)
  }
  const heard = new Set<string>()
  for (const seen of observed) {
    // An aborted transaction has no record: what was heard of it, and not yet written, dies with the coordinator.
    if (seen.type === 'opened') heard.clear()
    if (seen.type !== 'heard' || seen.message.type !== 'result' || seen.message.result !== 'broken') continue
    heard.add(`${seen.message.xid} ${seen.participant}`)
  }
  for (const seen of observed) {
    if (seen.type !== 'ended_by_hand') continue
    const { xid, participant, ended } = seen
    // R17: the commit of its only participant is the decision, whoever made it.
    if (handed.has(xid) && ended === 'commit') continue
    const decided = decisions.get(xid)?.branches.includes(participant) === true
    // Nobody asks a participant about an xid that nobody holds: only what was asked can be known.
    const known = decided ? ended === 'abort' : ended === 'commit' && heard.has(`${xid} ${participant}`)
    // A branch that an operator has given up is asked for nothing any more.
    if (known && !givenUp.of(xid).has(participant) && !recorded.has(`${xid} ${participant} ${ended}`)) {
      violations.push(`I1: ${participant} broke its pledge of ${xid} (${ended}), and no record says so`)
    }
  }
  return violations
}
