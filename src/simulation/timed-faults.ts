/** The faults that come at a moment of their own, carried out. */
import { COORDINATOR } from './coordinator-life.ts'
import type { CoordinatorProcess } from './coordinator-process.ts'
import { expirePledge } from './expiry.ts'
import type { TimedFault } from './fault-kinds.ts'
import { breakPledge } from './impatience.ts'
import type { Operator } from './operator.ts'
import type { ParticipantProcess } from './participant-process.ts'
import { plant } from './planting.ts'
import type { Application, SessionNetwork } from './sessions/index.ts'
import { SimLink } from './sim-link.ts'
import type { Process } from './virtual-time.ts'
import type { World } from './world.ts'

export interface Parties {
  readonly operator: Operator
  readonly world: World
  readonly coordinator: CoordinatorProcess
  readonly participants: readonly ParticipantProcess[]
  readonly applications: readonly Application[]
  readonly network: SessionNetwork
}

/** It is counted only where it could be done. */
export function strike(parties: Parties, kind: TimedFault): void {
  const { world, participants } = parties
  const participant = world.random.pick(participants)
  const struck = STRIKES[kind](parties, participant)
  if (struck !== undefined) world.faulted(kind, struck)
}

/** Carries it out, on that participant if on one, and says which party was struck; it may say so by itself, later. */
type Strike = (parties: Parties, participant: ParticipantProcess) => string | undefined

const LOG = 'log'
const SESSION = 'session'

const STRIKES: Readonly<Record<TimedFault, Strike>> = {
  coordinator_killed: (parties) => killCoordinator(parties, { power: false }),
  coordinator_power_lost: (parties) => killCoordinator(parties, { power: true }),
  coordinator_paused: ({ world, coordinator }) => {
    coordinator.process?.pause(world.random.between(5, 80))
    return coordinator.process && COORDINATOR
  },
  coordinator_stopped: (parties) => {
    const { process } = parties.coordinator
    if (process !== undefined) stop(parties, process, parties.participants)
    return process && COORDINATOR
  },
  coordinator_drained: ({ coordinator }) => {
    if (coordinator.serving === undefined) return undefined
    coordinator.drain()
    return COORDINATOR
  },
  second_coordinator: ({ coordinator }) => (coordinator.startSecond() ? COORDINATOR : undefined),
  log_copied_back: ({ coordinator }) => (coordinator.putBackCopy() ? LOG : undefined),
  log_cloned: ({ coordinator }) => (coordinator.startClone() ? LOG : undefined),
  log_damaged: ({ world, coordinator }) =>
    coordinator.damageLog(1 + world.random.below(4)) ? LOG : undefined,
  // A batch of which a part was written is none: the checksums of its frames say so (log/sqlite).
  batch_torn: ({ coordinator }) => {
    if (coordinator.disk.unsyncedBatches === 0 || coordinator.isOldCopy) return undefined
    coordinator.kill({ power: true })
    return LOG
  },
  disk_full: ({ world, coordinator }) => {
    coordinator.disk.fillUp()
    world.time.after(world.random.between(5, 120), () => coordinator.disk.freeSpace())
    return LOG
  },
  wall_clock_jumped: ({ world }) => {
    world.machineOf(COORDINATOR).jump(world.random.between(-30, 30))
    return COORDINATOR
  },
  participant_killed: (_parties, participant) => {
    if (participant.process === undefined) return undefined
    participant.kill()
    return participant.plan.name
  },
  participant_paused: ({ world }, { process, plan }) => {
    process?.pause(world.random.between(5, 80))
    return process && plan.name
  },
  participant_stopped: (parties, participant) => {
    if (participant.process !== undefined) stop(parties, participant.process, [participant])
    return participant.process && participant.plan.name
  },
  link_cut: (_parties, participant) => (participant.cutLink() ? participant.plan.name : undefined),
  partition_one_way: ({ world: { random } }, participant) => {
    const towards = random.pick(['coordinator', 'participant'] as const)
    return participant.stallLink(towards, random.between(10, 150)) ? participant.plan.name : undefined
  },
  session_broken: ({ network }) => {
    const stream = network.anyOpen()
    stream?.cut()
    return stream && SESSION
  },
  session_half_open: ({ network }) => {
    const stream = network.anyOpen()
    stream?.halfOpen()
    return stream && SESSION
  },
  application_killed: ({ world, applications }) => {
    const running = applications.filter(({ process }) => process !== undefined)
    if (running.length === 0) return undefined
    const application = world.random.pick(running)
    application.kill()
    return application.plan.name
  },
  application_paused: (parties) => pauseApplication(parties),
  branch_planted: (parties, participant) => (plant(parties, participant) ? participant.plan.name : undefined),
  impostor: (parties, participant) => (impersonate(parties, participant) ? participant.plan.name : undefined),
  pledge_broken: (parties) => {
    breakPledge(parties, (where) => parties.world.faulted('pledge_broken', where))
    return undefined
  },
  pledge_expired: ({ world, participants }) => {
    expirePledge(world, participants, (where) => world.faulted('pledge_expired', where))
    return undefined
  },
  operator_resolved: ({ operator }) => operator.goFor('operator_resolved'),
  operator_retried: ({ operator }) => operator.goFor('operator_retried'),
  operator_acknowledged: ({ operator }) => operator.goFor('operator_acknowledged'),
  operator_gave_up: ({ operator }) => operator.goFor('operator_gave_up'),
  operator_ended_foreign: ({ operator }) => operator.goFor('operator_ended_foreign'),
  operator_paused: ({ operator }) => operator.goFor('operator_paused'),
  operator_compared: ({ operator }) => operator.goFor('operator_compared'),
}

function killCoordinator({ coordinator }: Parties, options: { readonly power: boolean }): string | undefined {
  if (coordinator.process === undefined) return undefined
  coordinator.kill(options)
  return COORDINATOR
}

/** SIGSTOP: the others give it up long before it goes on, and then all its timers fire at once. */
function stop({ world }: Parties, process: Process, linked: readonly ParticipantProcess[]): void {
  process.pause(world.random.between(150, 900))
  world.time.after(world.random.between(20, 90), () => {
    for (const participant of linked) participant.cutLink()
  })
}

/** For longer than its session lives: the coordinator gives it up long before it goes on, and knows nothing of that. */
function pauseApplication({ world, applications, network }: Parties): string | undefined {
  const running = applications.filter(({ process }) => process !== undefined)
  const application = running.length === 0 ? undefined : world.random.pick(running)
  const process = application?.process
  if (process === undefined) return undefined
  process.pause(world.random.between(60, 500))
  world.time.after(world.random.between(10, 90), () => network.giveUpOn(process))
  return application?.plan.name
}

/** Another resource answers to the participant's name; it must be sent nothing at all (R10). */
function impersonate({ world, coordinator }: Parties, participant: ParticipantProcess): boolean {
  const { name } = participant.plan
  const { reachable, disk } = coordinator
  if (reachable === undefined || coordinator.isOldCopy || !disk.knownParticipants.has(name)) return false
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
      welcomed: () => world.see({ type: 'impostor', participant: name, met: 'admitted' }),
      received: () => world.see({ type: 'impostor', participant: name, met: 'told something' }),
      closed: () => {},
    },
    coordinator: reachable.process,
    participant: world.newProcess(),
  })
  reachable.listener.opened(link)
  return true
}
