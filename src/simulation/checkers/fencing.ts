import { tryParseXid } from '../../base/ids.ts'
import { type Checker, handedOver } from './checker.ts'

/** An epoch fences: nothing is decided under an older one, and no xid is used for two attempts of a request. */
export const fencing: Checker = ({ observed }) => {
  const handed = handedOver(observed)
  const violations: string[] = []
  const attempts = new Map<string, string>()
  let epoch = ''
  for (const seen of observed) {
    if (seen.type === 'opened') epoch = seen.epoch
    if (seen.type !== 'written' || (seen.record.type !== 'decision' && seen.record.type !== 'aborted'))
      continue
    const { type, xid, request } = seen.record
    const issuedIn = tryParseXid(xid)?.epoch
    // What was handed over is concluded whenever its participant can be asked (R17).
    if (issuedIn !== epoch && !handed.has(xid))
      violations.push(`R2: ${type} of ${xid} was written in epoch ${epoch}`)
    if (request === undefined) continue
    const key = `${issuedIn} ${request.caller}/${request.requestId} attempt ${request.attempt}`
    const before = attempts.get(key)
    if (before !== undefined && before !== xid)
      violations.push(`I3: ${key} ran twice, as ${before} and ${xid}`)
    attempts.set(key, xid)
  }
  return violations
}

/** Production code threw where it must not, or did what no participant may meet. */
export const noBugs: Checker = ({ observed }) =>
  observed.filter((seen) => seen.type === 'bug').map(({ message }) => `bug: ${message}`)
