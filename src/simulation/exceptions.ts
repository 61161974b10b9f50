/** The exceptions of I5 in one history, each counted: what a person has to see to, or nobody ever will. */
import { compareXids, tryParseXid } from '../base/ids.ts'
import type { Observed } from './observations.ts'
import type { ParticipantProcess } from './participant-process.ts'
import type { SimDisk } from './sim-disk.ts'
import type { Exception } from './tally.ts'

export function exceptionsIn(
  observed: readonly Observed[],
  participants: readonly ParticipantProcess[],
  { forgottenThrough }: SimDisk,
): ReadonlyMap<Exception, number> {
  const broken = new Set<string>()
  const gone = new Set<string>()
  const planted = new Set<string>()
  const ended = new Set<string>()
  for (const seen of observed) {
    if (seen.type === 'planted' && seen.why !== 'orphan') planted.add(seen.xid)
    if (seen.type === 'answered_by_copy' && seen.said.outcome === 'pending') planted.add(seen.said.xid)
    if (seen.type !== 'durable') continue
    const { record } = seen
    if (record.type === 'heuristic') broken.add(`${record.xid} ${record.participant}`)
    if (record.type === 'branch_forgotten') gone.add(`${record.xid} ${record.participant}`)
    if (record.type === 'end' || record.type === 'aborted') ended.add(record.xid)
  }
  const held = participants.flatMap(({ resource }) => [...resource.durable.prepared.keys()])
  const isForgotten = (xid: string) => {
    const parts = tryParseXid(xid)
    return parts !== undefined && forgottenThrough !== undefined && compareXids(parts, forgottenThrough) <= 0
  }
  const witnesses = participants.flatMap(({ resource }) => [...resource.durable.witnesses.keys()])
  return new Map<Exception, number>([
    ['broken_pledges', broken.size],
    ['gone_participants', gone.size],
    ['foreign_branches', held.filter((xid) => planted.has(xid)).length],
    ['forgotten_xids', held.filter((xid) => !planted.has(xid) && isForgotten(xid)).length],
    ['witnesses_left', witnesses.filter((xid) => ended.has(xid)).length],
  ])
}
