import type { Call, Observed, Said } from '../observations.ts'
import {
  type Checker,
  committedAlone,
  durableDecisions,
  endedByHand,
  type FinishedHistory,
  handedOver,
  readOnlyTransactions,
} from './checker.ts'

/** I3: answers never contradict one another, by xid and by request. I7: they say what is the case, or unknown. */
export const answers: Checker = (history) => {
  const { observed } = history
  const decisions = durableDecisions(observed)
  const harmless = readOnlyTransactions(observed)
  const alone = committedAlone(observed)
  const handed = handedOver(observed)
  const byHand = endedByHand(observed)
  const violations: string[] = []
  const outcomes = new Map<string, string>()
  for (const seen of observed) {
    if (seen.type !== 'answered') continue
    const { xid, outcome } = seen.said
    if (harmless.has(xid) || (outcome !== 'committed' && outcome !== 'aborted')) continue
    const before = outcomes.get(xid)
    // What a person ended at its one participant is what a witness then says of it, whoever asked first.
    const isByHand = handed.has(xid) && byHand.of(xid).size > 0
    if (before !== undefined && before !== outcome && !isByHand) {
      violations.push(`I3: ${xid} was answered "${before}", then "${outcome}"`)
    }
    outcomes.set(xid, outcome)
    if (isByHand) continue
    const truth = decisions.has(xid) || alone.has(xid) ? 'committed' : 'aborted'
    if (outcome !== truth) violations.push(`I7: ${xid} was answered "${outcome}" and is ${truth}`)
  }
  return [...violations, ...requestsTakenBack(observed, harmless), ...unknownWithoutReason(history)]
}

/**
 * Once a request has committed, whoever asks by its name learns that, for as long as it is kept. A call that was
 * under way meanwhile may still be answered with what was the case before.
 */
function requestsTakenBack(observed: readonly Observed[], harmless: ReadonlySet<string>): string[] {
  const committed = new Map<string, string>()
  /** What was known of the request when the call was made. */
  const knownAtCall = new Map<number, string>()
  const violations: string[] = []
  let forgets = false
  for (const seen of observed) {
    if (seen.type === 'written' && seen.record.type === 'forgotten') forgets = true
    if (seen.type === 'called') {
      const known = committed.get(nameOf(seen.call))
      if (known !== undefined) knownAtCall.set(seen.call.number, known)
    }
    if (seen.type !== 'refused' && seen.type !== 'answered') continue
    const name = nameOf(seen.call)
    const known = knownAtCall.get(seen.call.number)
    if (seen.type === 'refused') {
      if (seen.code !== 'REQUEST_NOT_FOUND' || forgets || known === undefined) continue
      violations.push(`I3: ${name} committed as ${known}, then nothing was known of it`)
      continue
    }
    if (seen.call.requestId === undefined) continue
    const { xid, outcome } = seen.said
    if (known !== undefined && !confirms(seen.said, known)) {
      violations.push(`I3: ${name} committed as ${known}, then was answered "${outcome}" (${xid})`)
    }
    if (outcome === 'committed' && !harmless.has(xid)) committed.set(name, xid)
  }
  return violations
}

function confirms({ xid, outcome }: Said, committedAs: string): boolean {
  return xid === committedAs && (outcome === 'committed' || outcome === 'unknown')
}

function nameOf({ caller, requestId }: Call): string {
  return `${caller}/${requestId}`
}

const WRITES_FAIL: ReadonlySet<string> = new Set(['sync_failed', 'disk_full'])

/** R6, R9, and a participant that can't be asked (R17) are the only reasons not to know. */
function unknownWithoutReason({ observed, coordinator }: FinishedHistory): string[] {
  const handed = handedOver(observed)
  const byHand = endedByHand(observed)
  // The coordinator knows that it forgets before its log is told.
  let reason = coordinator?.forgottenThrough !== undefined
  for (const seen of observed) {
    if (seen.type === 'fault' && WRITES_FAIL.has(seen.kind)) reason = true
    if (seen.type === 'written' && seen.record.type === 'forgotten') reason = true
    if (
      seen.type === 'answered' &&
      seen.said.outcome === 'unknown' &&
      !reason &&
      !handed.has(seen.said.xid) &&
      // Somebody broke a pledge of a transaction that has no record: nobody says any more how it ended.
      byHand.of(seen.said.xid).size === 0
    ) {
      return [
        `I7: ${seen.said.xid} was answered "unknown", and no write had failed and nothing was forgotten`,
      ]
    }
  }
  return []
}
