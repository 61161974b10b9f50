/**
 * A participant through its lives: the production host over a modelled resource, attaching to the coordinator or
 * waiting to be dialled, killed and started again.
 */
import type { CrashPoints } from '../base/crash-points.ts'
import { messageOf } from '../base/errors.ts'
import type { Limits } from '../base/limits.ts'
import type { CoordinatorMessage, ParticipantIdentity } from '../protocol/messages.ts'
import { ParticipantHost } from '../sdk/participant/host.ts'
import type { HostSession } from '../sdk/participant/session.ts'
import type { Dialer, LinkListener, Welcome } from '../transport/link.ts'
import { ModelParticipant } from './model-participant.ts'
import { Resource } from './resource.ts'
import { type FarEnd, SimLink } from './sim-link.ts'
import type { Slips } from './slips.ts'
import type { Process } from './virtual-time.ts'
import type { World } from './world.ts'

/** Where a participant finds the coordinator's present life, if it has one. */
export interface Reachable {
  readonly process: Process
  readonly listener: LinkListener
}

export interface ParticipantPlan {
  readonly name: string
  /** called: it is dialled, and each message is a call of its own. */
  readonly link: 'attached' | 'dialled' | 'called'
  readonly resource: 'embedded' | 'server'
  readonly keepsWitnesses: boolean
  /** It commits an only branch at once (R17). */
  readonly onePhase: boolean
  readonly pledgeTtlMs: number
}

interface Life {
  readonly process: Process
  readonly host: ParticipantHost
}

export class ParticipantProcess {
  readonly plan: ParticipantPlan
  readonly resource: Resource
  readonly #world: World
  readonly #limits: Limits
  readonly #slips: Slips
  readonly #findCoordinator: () => Reachable | undefined
  #life: Life | undefined
  #links: SimLink[] = []

  constructor(options: {
    readonly world: World
    readonly plan: ParticipantPlan
    readonly limits: Limits
    readonly slips: Slips
    readonly findCoordinator: () => Reachable | undefined
  }) {
    const { world, plan } = options
    this.plan = plan
    this.#world = world
    this.#limits = options.limits
    this.#slips = options.slips
    this.#findCoordinator = options.findCoordinator
    this.resource = new Resource({
      world,
      name: plan.name,
      kind: plan.resource,
      keepsWitnesses: plan.keepsWitnesses,
      syncs: !world.fails('resource_unsynced', plan.name),
    })
    if (!this.resource.syncs) world.time.after(world.random.between(20, 120), () => this.resource.mend())
  }

  get process(): Process | undefined {
    return this.#life?.process
  }

  start(): void {
    if (this.#life !== undefined) return
    const world = this.#world
    const process = world.newProcess(this.plan.name)
    const { pledgeTtlMs, name } = this.plan
    const participant = new ModelParticipant({
      world,
      process,
      resource: this.resource,
      slips: this.#slips,
      pledgeTtlMs,
      onePhase: this.plan.onePhase,
    })
    const host = new ParticipantHost({
      name,
      participant,
      limits: this.#limits,
      clock: process.clock,
      timers: process.timers,
      random: world.random,
      crashPoints: this.#crashPoints(process),
    })
    this.#life = { process, host }
    if (this.plan.link === 'attached') this.#attachAfter(world.random.between(0.1, 5))
  }

  /** It starts again after a while. An embedded resource loses what it had not forced. */
  kill(): void {
    const life = this.#life
    if (life === undefined) return
    const { random, time, tally } = this.#world
    tally.crash('participant')
    life.process.kill()
    this.#life = undefined
    for (const link of this.#links.splice(0)) link.partyDied()
    if (this.resource.kind === 'embedded' || random.chance(0.3)) this.resource.losePower()
    time.after(random.chance(0.8) ? random.between(2, 40) : random.between(40, 250), () => this.start())
  }

  /** Those that neither end has given up. */
  get openLinks(): number {
    return this.#links.filter(({ open }) => open).length
  }

  /** In one direction nothing gets through for a while. */
  stallLink(towards: 'coordinator' | 'participant', forMs: number): boolean {
    const link = this.#links.findLast((other) => other.open)
    link?.stall(towards, forMs)
    return link !== undefined
  }

  cutLink(): boolean {
    const link = this.#links.findLast((other) => other.open)
    link?.cut()
    return link !== undefined
  }

  /** For a participant that the coordinator dials. */
  dialer(coordinator: Process, reachable: () => Reachable): Dialer {
    return {
      name: this.plan.name,
      dial: (_listener, failed) => {
        coordinator.after(this.#world.travelMs(this.plan.name), () => {
          const life = this.#life
          if (life === undefined || this.#world.fails('dial_failed', this.plan.name)) {
            coordinator.after(this.#world.random.between(0.1, 10), () => failed('connection refused'))
            return
          }
          this.#open(life, reachable(), failed)
        })
      },
      close: async () => {},
    }
  }

  #attachAfter(delayMs: number): void {
    const life = this.#life
    life?.process.after(delayMs, () => {
      const coordinator = this.#findCoordinator()
      if (coordinator === undefined || this.#world.fails('dial_failed', this.plan.name)) {
        this.#attachAfter(this.#world.random.between(5, 30))
        return
      }
      this.#open(life, coordinator, () => this.#attachAfter(this.#world.random.between(5, 30)))
    })
  }

  /** `refused`: its resource is not fit to take part. */
  #open(life: Life, { process, listener }: Reachable, refused: (reason: string) => void): void {
    const introduce = (identity: ParticipantIdentity): void => {
      if (!life.process.alive || !process.alive) return
      const link = new SimLink({
        world: this.#world,
        identity,
        listener,
        farEnd: this.#farEnd(life),
        coordinator: process,
        participant: life.process,
        calls: this.plan.link === 'called',
      })
      this.#links = this.#links.filter((other) => other.open)
      this.#links.push(link)
      listener.opened(link)
    }
    life.host.describe().then(introduce, (error: unknown) => {
      if (life.process.alive && process.alive) refused(messageOf(error))
    })
  }

  #farEnd(life: Life): FarEnd {
    let session: HostSession | undefined
    return {
      welcomed: (link: SimLink, welcome: Welcome) => {
        session = life.host.attach({ replied: (messages) => link.reply(messages) }, welcome)
      },
      received: (messages: readonly CoordinatorMessage[]) => session?.receive(messages),
      closed: (_reason, retryAfterMs) => {
        session?.close()
        if (this.plan.link === 'attached')
          this.#attachAfter(retryAfterMs ?? this.#world.random.between(1, 20))
      },
    }
  }

  /** A coordinator died: its links end. */
  coordinatorDied(process: Process): void {
    for (const link of this.#links) if (link.coordinator === process) link.partyDied()
  }

  #crashPoints(process: Process): CrashPoints {
    return {
      pass: () => {
        if (process.alive && this.#world.fails('participant_crash_point', this.plan.name)) this.kill()
      },
    }
  }
}
