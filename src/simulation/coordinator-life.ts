/** One life of the coordinator: the production one over simulated ports, from its start to its death. */
import type { CrashPoints } from '../base/crash-points.ts'
import { messageOf } from '../base/errors.ts'
import type { Limits } from '../base/limits.ts'
import type { Timers } from '../base/ports.ts'
import { Coordinator } from '../coordinator/coordinator.ts'
import type { Notice } from '../coordinator/notices.ts'
import type { Log } from '../log/log.ts'
import type { ProtocolState } from '../protocol/state.ts'
import { step } from '../protocol/step.ts'
import type { LinkListener } from '../transport/link.ts'
import type { Break } from './breaks/break.ts'
import { observedStep } from './coverage/index.ts'
import type { ParticipantProcess } from './participant-process.ts'
import type { SimDisk } from './sim-disk.ts'
import { newLog } from './sim-log.ts'
import type { Process } from './virtual-time.ts'
import type { World } from './world.ts'

export interface CoordinatorLife {
  readonly process: Process
  readonly coordinator: Coordinator
  readonly disk: SimDisk
  /** It runs on an old copy of the log: what it says is not what the log says. */
  readonly isOldCopy: boolean
  /** What participants see of it. */
  readonly listener: LinkListener
  readonly serving: boolean
  /** Of the core, once it has been replayed. */
  readonly state: ProtocolState | undefined
  start(): Promise<void>
}

export interface LifeOptions {
  readonly world: World
  readonly limits: Limits
  readonly broken: Break | undefined
  readonly disk: SimDisk
  readonly isOldCopy: boolean
  readonly participants: readonly ParticipantProcess[]
  readonly end: (life: CoordinatorLife, options: { readonly power: boolean }) => void
}

export const COORDINATOR = 'coordinator'

export function newLife(options: LifeOptions): CoordinatorLife {
  return new Life(options)
}

class Life implements CoordinatorLife {
  readonly process: Process
  readonly coordinator: Coordinator
  readonly disk: SimDisk
  readonly isOldCopy: boolean
  readonly listener: LinkListener
  readonly #options: LifeOptions
  #serving = false
  #state: ProtocolState | undefined

  constructor(options: LifeOptions) {
    const { world, limits, broken, disk, participants } = options
    this.#options = options
    this.disk = disk
    this.isOldCopy = options.isOldCopy
    this.process = world.newProcess(options.isOldCopy ? 'other-machine' : COORDINATOR)
    if (this.isOldCopy) world.noteOnCopy(this.process)
    const log = newLog(world, this.process, disk)
    const { process } = this
    this.coordinator = new Coordinator({
      log: this.#observeOpening(broken?.log?.(log) ?? log),
      limits,
      clock: process.clock,
      timers: this.#shieldedTimers(),
      random: world.random,
      dialers: participants
        .filter(({ plan }) => plan.link !== 'attached')
        .map((participant) => participant.dialer(process, () => this)),
      crashPoints: this.#crashPoints(),
      step: observedStep(world.tally, broken?.step?.(step) ?? step, (state) => {
        this.#state = state
      }),
      notice: (notice) => this.#noticed(notice),
    })
    this.listener = this.#shieldedListener()
  }

  get serving(): boolean {
    return this.#serving
  }

  get state(): ProtocolState | undefined {
    return this.#state
  }

  async start(): Promise<void> {
    await this.coordinator.start()
    this.#serving = true
  }

  #noticed(notice: Notice): void {
    if (notice.type !== 'log_failed' || !this.process.alive) return
    const { random } = this.#options.world
    // Whoever watches the daemon starts it again.
    this.process.after(random.between(1, 30), () => this.#end(random.chance(0.5)))
  }

  #observeOpening(log: Log): Log {
    if (this.isOldCopy) return log
    return {
      ...log,
      open: async (onStage) => {
        const { logId, epoch, epochs, ...opened } = await log.open(onStage)
        this.#options.world.see({ type: 'opened', logId, epoch, epochs })
        return { ...opened, logId, epoch, epochs }
      },
    }
  }

  /** A production assertion that fails would stop the daemon: it is a bug, and seen as one. */
  #shield(run: () => void): void {
    if (!this.process.alive) return
    try {
      run()
    } catch (error) {
      this.#options.world.see({ type: 'bug', message: messageOf(error) })
      this.#end(false)
    }
  }

  #shieldedTimers(): Timers {
    const { timers } = this.process
    return {
      after: (delayMs, fire) => timers.after(delayMs, () => this.#shield(fire)),
      soon: (run) => timers.soon(() => this.#shield(run)),
    }
  }

  #shieldedListener(): LinkListener {
    const { coordinator } = this
    return {
      opened: (link) => this.#shield(() => coordinator.opened(link)),
      received: (link, messages) => this.#shield(() => coordinator.received(link, messages)),
      closed: (link, reason) => this.#shield(() => coordinator.closed(link, reason)),
    }
  }

  #crashPoints(): CrashPoints {
    const { world } = this.#options
    return {
      pass: () => {
        if (!this.process.alive || !world.fails('coordinator_crash_point', COORDINATOR)) return
        this.#end(world.random.chance(0.5))
      },
    }
  }

  #end(power: boolean): void {
    this.#options.end(this, { power })
  }
}
