/** The faults that come at a moment of their own, carried out. */
import { drawEpoch, drawLogId, type Epoch, formatXid, type LogId } from '../base/ids.ts'
import type { CoordinatorProcess } from './coordinator-process.ts'
import type { TimedFault } from './fault-kinds.ts'
import type { Planted } from './observations.ts'
import type { ParticipantProcess } from './participant-process.ts'
import { SimLink } from './sim-link.ts'
import type { World } from './world.ts'

export interface Parties {
  readonly world: World
  readonly coordinator: CoordinatorProcess
  readonly participants: readonly ParticipantProcess[]
}

/** It is counted only where it could be done. */
export function strike(parties: Parties, kind: TimedFault): void {
  const struck = carryOut(parties, kind)
  if (struck !== undefined) parties.world.faulted(kind, struck)
}

/** The party that was struck. */
function carryOut(parties: Parties, kind: TimedFault): string | undefined {
  const { world, coordinator, participants } = parties
  const { random } = world
  const participant = random.pick(participants)
  const { name } = participant.plan
  switch (kind) {
    case 'coordinator_killed':
    case 'coordinator_power_lost':
      if (coordinator.process === undefined) return undefined
      coordinator.kill({ power: kind === 'coordinator_power_lost' })
      return 'coordinator'
    case 'coordinator_paused':
      coordinator.process?.pause(random.between(5, 80))
      return coordinator.process && 'coordinator'
    case 'coordinator_drained':
      if (coordinator.serving === undefined) return undefined
      coordinator.drain()
      return 'coordinator'
    case 'participant_killed':
      if (participant.process === undefined) return undefined
      participant.kill()
      return name
    case 'participant_paused':
      participant.process?.pause(random.between(5, 80))
      return participant.process && name
    case 'link_cut':
      return participant.cutLink() ? name : undefined
    case 'wall_clock_jumped':
      world.time.jumpWall(random.between(-30, 30))
      return 'machine'
    case 'branch_planted':
      return plant(parties, participant) ? name : undefined
    case 'pledge_broken':
      return breakPledge(parties, participant) ? name : undefined
    case 'impostor':
      return impersonate(parties, participant) ? name : undefined
  }
}

const PLANTED: readonly Planted[] = [
  'other_log',
  'unknown_epoch',
  'malformed',
  'not_issued',
  'forgotten',
  'orphan',
]

/** Something prepared that the coordinator did not prepare in this life; only an orphan is its to end. */
function plant(parties: Parties, participant: ParticipantProcess): boolean {
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
  const { disk, status } = coordinator
  const logId = disk.logId
  if (status === undefined || logId === undefined) return undefined
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

/** A person grows tired of waiting, and ends a prepared branch at the resource itself. */
function breakPledge({ world }: Parties, { plan, resource }: ParticipantProcess): boolean {
  const xid = [...resource.durable.prepared.keys()].find(
    (other) => !world.isPlanted(other) && resource.live.prepared.has(other),
  )
  if (xid === undefined || !plan.keepsWitnesses) return false
  if (world.random.chance(0.5)) resource.commit(xid, { byHand: true })
  else resource.abort(xid, { byHand: true })
  return true
}

/** Another resource answers to the participant's name; it must be sent nothing at all (R10). */
function impersonate({ world, coordinator }: Parties, participant: ParticipantProcess): boolean {
  const { name } = participant.plan
  const { reachable, disk } = coordinator
  if (reachable === undefined || !disk.knownParticipants.has(name)) return false
  const link = new SimLink({
    world,
    identity: {
      name,
      kind: 'model',
      instanceId: 'impostor',
      resourceId: 'another-resource',
      keepsWitnesses: true,
    },
    listener: reachable.listener,
    farEnd: {
      welcomed: () => world.see({ type: 'bug', message: `an impostor of ${name} was admitted` }),
      received: () => world.see({ type: 'bug', message: `an impostor of ${name} was sent messages` }),
      closed: () => {},
    },
    coordinator: reachable.process,
    participant: world.newProcess(),
  })
  reachable.listener.opened(link)
  return true
}
