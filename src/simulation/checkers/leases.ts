import { parseXid } from '../../base/ids.ts'
import type { Observed } from '../observations.ts'
import type { Checker } from './checker.ts'

interface Session {
  readonly number: number
  readonly client: string
  open: boolean
  /** What it asked to commit while it was open. */
  readonly committed: Set<string>
}

type Leased = Extract<Observed, { type: 'leased' }>

/**
 * R2: an xid that was leased to a session is decided only if that session has asked for it, before it was over. Whoever else
 * names it can neither commit it nor enlist in it.
 */
export const leases: Checker = ({ observed }) => {
  const sessions = new Map<number, Session>()
  const leased: Leased[] = []
  const violations: string[] = []
  const holderOf = (xid: string): Session | undefined => {
    if (leased.length === 0) return undefined
    const { logId, epoch, sequence } = parseXid(xid)
    const lease = leased.find(
      ({ within, firstSequence, count }) =>
        within === `${logId}.${epoch}` && sequence >= firstSequence && sequence < firstSequence + count,
    )
    return lease && sessions.get(lease.session)
  }
  for (const seen of observed) {
    if (seen.type === 'session') changed(sessions, seen)
    if (seen.type === 'leased') leased.push(seen)
    if (seen.type === 'commit_arrived') {
      const session = sessions.get(seen.session)
      if (session?.open === true) session.committed.add(seen.xid)
    }
    if (seen.type === 'enlisted') {
      const holder = holderOf(seen.xid)?.number
      if (holder !== seen.session)
        violations.push(
          `R2: session ${seen.session} enlisted in ${seen.xid}, which session ${holder} was leased`,
        )
    }
    if (seen.type !== 'written' || seen.record.type !== 'decision') continue
    const { xid } = seen.record
    const holder = holderOf(xid)
    if (holder !== undefined && !holder.committed.has(xid))
      violations.push(
        `R2: ${xid} was decided, and session ${holder.number}, which was leased it, had not asked for it`,
      )
  }
  return violations
}

/** A newer session of the same client ends the older ones. */
function changed(sessions: Map<number, Session>, seen: Extract<Observed, { type: 'session' }>): void {
  const { session: number, change, client } = seen
  const known = sessions.get(number)
  if (known !== undefined && change === 'closed') known.open = false
  if (change === 'closed') return
  for (const older of sessions.values()) if (client !== '' && older.client === client) older.open = false
  sessions.set(number, { number, client, open: true, committed: new Set() })
}
