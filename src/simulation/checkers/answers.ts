import type { Call, Observed, Said } from '../observations.ts'
import { type Checker, durableDecisions, readOnlyTransactions } from './checker.ts'

/** I3: answers never contradict one another, by xid and by request. I7: they say what is the case, or unknown. */
export const answers: Checker = ({ observed }) => {
  const decisions = durableDecisions(observed)
  const harmless = readOnlyTransactions(observed)
  const violations: string[] = []
  const outcomes = new Map<string, string>()
  for (const seen of observed) {
    if (seen.type !== 'answered') continue
    const { xid, outcome } = seen.said
    if (harmless.has(xid) || (outcome !== 'committed' && outcome !== 'aborted')) continue
    const before = outcomes.get(xid)
    if (before !== undefined && before !== outcome) {
      violations.push(`I3: ${xid} was answered "${before}", then "${outcome}"`)
    }
    outcomes.set(xid, outcome)
    const truth = decisions.has(xid) ? 'committed' : 'aborted'
    if (outcome !== truth) violations.push(`I7: ${xid} was answered "${outcome}" and is ${truth}`)
  }
  return [...violations, ...requestsTakenBack(observed, harmless), ...unknownWithoutReason(observed)]
}

/** What a request was answered with when it had committed is its answer for as long as it is kept. */
function requestsTakenBack(observed: readonly Observed[], harmless: ReadonlySet<string>): string[] {
  const committed = new Map<string, string>()
  const violations: string[] = []
  let forgets = false
  for (const seen of observed) {
    if (seen.type === 'written' && seen.record.type === 'forgotten') forgets = true
    if (seen.type === 'refused' && seen.code === 'REQUEST_NOT_FOUND' && !forgets) {
      const xid = committed.get(nameOf(seen.call))
      if (xid !== undefined)
        violations.push(`I3: ${nameOf(seen.call)} committed as ${xid}, then nothing was known of it`)
    }
    if (seen.type !== 'answered' || seen.call.requestId === undefined) continue
    const before = committed.get(nameOf(seen.call))
    if (before !== undefined && !confirms(seen.said, before)) {
      const { xid, outcome } = seen.said
      violations.push(
        `I3: ${nameOf(seen.call)} committed as ${before}, then was answered "${outcome}" (${xid})`,
      )
    }
    if (seen.said.outcome === 'committed' && !harmless.has(seen.said.xid)) {
      committed.set(nameOf(seen.call), seen.said.xid)
    }
  }
  return violations
}

function confirms({ xid, outcome }: Said, committedAs: string): boolean {
  return xid === committedAs && (outcome === 'committed' || outcome === 'unknown')
}

function nameOf({ caller, requestId }: Call): string {
  return `${caller}/${requestId}`
}

/** R6 and R9 are the only reasons not to know. */
function unknownWithoutReason(observed: readonly Observed[]): string[] {
  let reason = false
  for (const seen of observed) {
    if (seen.type === 'fault' && seen.kind === 'sync_failed') reason = true
    if (seen.type === 'written' && seen.record.type === 'forgotten') reason = true
    if (seen.type === 'answered' && seen.said.outcome === 'unknown' && !reason) {
      return [
        `I7: ${seen.said.xid} was answered "unknown", and no write had failed and nothing was forgotten`,
      ]
    }
  }
  return []
}
