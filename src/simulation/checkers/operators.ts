import type { Verb } from '../../protocol/messages.ts'
import type { DecisionRecord } from '../../protocol/records.ts'
import { type Checker, Groups } from './checker.ts'

/**
 * R15: an operator's decision is the only one of its transaction, is on the disk before anybody is told, and is marked
 * as a heuristic wherever a branch had not voted.
 */
export const operators: Checker = ({ observed }) => {
  const order = new Map<string, Verb>()
  const decided = new Set<string>()
  const abortSent = new Set<string>()
  /** Written, and not known to be on the disk. */
  const unforced = new Set<string>()
  const voted = new Groups()
  const marked = new Groups()
  const violations: string[] = []
  const unmarked = ({ xid, branches }: DecisionRecord): void => {
    const left = branches.filter((name) => !voted.of(xid).has(name) && !marked.of(xid).has(name))
    if (left.length > 0)
      violations.push(
        `R15: an operator committed ${xid} without the vote of ${left.join(', ')}, and no record says so`,
      )
  }
  const contradicted = (xid: string): void => {
    if (order.get(xid) === 'abort' && decided.has(xid))
      violations.push(`R15: an operator aborted ${xid}, whose decision is commit`)
  }
  for (const seen of observed) {
    if (seen.type === 'opened') unforced.clear()
    if (seen.type === 'heard' && seen.message.type === 'vote' && seen.message.vote.vote !== 'no')
      voted.add(seen.message.xid, seen.participant)
    // An application votes by its commit.
    if (seen.type === 'called' && seen.call.xid !== undefined) {
      for (const { participant } of seen.call.prepared ?? []) voted.add(seen.call.xid, participant)
    }
    if (seen.type === 'sent' && seen.message.type === 'abort') {
      abortSent.add(seen.message.xid)
      if (unforced.has(seen.message.xid)) violations.push(tooEarly(seen.message.xid))
    }
    if (seen.type === 'durable' && seen.record.type === 'operator') unforced.delete(seen.record.xid)
    if (seen.type !== 'written') continue
    const { record } = seen
    if (record.type === 'operator') {
      order.set(record.xid, record.decision)
      contradicted(record.xid)
      if (record.decision !== 'abort') continue
      unforced.add(record.xid)
      if (abortSent.has(record.xid)) violations.push(tooEarly(record.xid))
    }
    if (record.type === 'heuristic') marked.add(record.xid, record.participant)
    if (record.type !== 'decision') continue
    decided.add(record.xid)
    contradicted(record.xid)
    if (order.get(record.xid) === 'commit') unmarked(record)
  }
  return violations
}

function tooEarly(xid: string): string {
  return `R15: the abort of ${xid} was sent before the operator's record of it was on the disk`
}
