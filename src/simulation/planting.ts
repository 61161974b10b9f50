/** Branches that a participant holds and the coordinator has not prepared in this life; only an orphan is its to end. */
import { drawEpoch, drawLogId, type Epoch, formatXid, type LogId } from '../base/ids.ts'
import type { CoordinatorProcess } from './coordinator-process.ts'
import type { Planted } from './observations.ts'
import type { ParticipantProcess } from './participant-process.ts'
import type { World } from './world.ts'

interface Parties {
  readonly world: World
  readonly coordinator: CoordinatorProcess
}

const PLANTED: readonly Planted[] = [
  'other_log',
  'unknown_epoch',
  'malformed',
  'not_issued',
  'forgotten',
  'orphan',
]

/** False: there is nothing of that kind that could be planted now. */
export function plant(parties: Parties, participant: ParticipantProcess): boolean {
  const { world } = parties
  const why = world.random.pick(PLANTED)
  const xid = plantedXid(parties, why)
  if (xid === undefined || participant.resource.live.prepared.has(xid)) return false
  if (participant.resource.live.witnesses.has(xid)) return false
  participant.resource.pledge(xid, { key: `planted-${xid}`, timeMs: world.time.wallMs })
  world.see({ type: 'planted', participant: participant.plan.name, xid, why })
  return true
}

function plantedXid({ world, coordinator }: Parties, why: Planted): string | undefined {
  const { random } = world
  const { disk, status, isOldCopy } = coordinator
  const logId = disk.logId
  if (status === undefined || logId === undefined || isOldCopy) return undefined
  const sequence = 1 + random.below(30)
  switch (why) {
    case 'other_log':
      return formatXid({ logId: drawLogId(random), epoch: status.epoch, sequence })
    case 'unknown_epoch':
      return formatXid({ logId, epoch: unknownEpoch(status.epoch, random), sequence })
    case 'malformed':
      return random.pick(['', 'x'.repeat(70), `${logId}.${status.epoch}.0`, `${logId}.1`]) || 'no-xid'
    case 'not_issued':
      return formatXid({ logId, epoch: status.epoch, sequence: 1_000_000 + sequence })
    case 'forgotten':
      return forgottenXid(logId, coordinator)
    case 'orphan':
      return orphanXid(logId, status.epoch, coordinator)
  }
}

function unknownEpoch(epoch: Epoch, random: World['random']): Epoch {
  // Another opening of the same number, as a restored copy of the log makes one; or one that never was.
  return drawEpoch(random.chance(0.5) ? Number.parseInt(epoch, 10) : 1 + random.below(20), random)
}

function forgottenXid(logId: LogId, { disk }: CoordinatorProcess): string | undefined {
  const through = disk.forgottenThrough
  if (through === undefined) return undefined
  const epoch = disk.epochs.find((other) => Number.parseInt(other, 10) === through.epochNumber)
  return epoch === undefined ? undefined : formatXid({ logId, epoch, sequence: through.sequence })
}

/** An xid of an earlier epoch that has no record, not forgotten: the log that issued it may presume. */
function orphanXid(logId: LogId, present: Epoch, { disk }: CoordinatorProcess): string | undefined {
  const earlier = disk.epochs.findLast((other) => other !== present)
  if (earlier === undefined || disk.forgottenThrough !== undefined) return undefined
  return formatXid({ logId, epoch: earlier, sequence: 900_000 })
}
