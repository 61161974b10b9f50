/** The coordinator through its lives: the production one, on one disk, killed at any point and started again. */
import type { CrashPoints } from '../base/crash-points.ts'
import { messageOf, PledgedError } from '../base/errors.ts'
import type { Limits } from '../base/limits.ts'
import { Coordinator } from '../coordinator/coordinator.ts'
import type { StatusView } from '../coordinator/views.ts'
import type { Log } from '../log/log.ts'
import { type Step, step } from '../protocol/step.ts'
import type { LinkListener } from '../transport/link.ts'
import type { Break } from './breaks/break.ts'
import { observedStep } from './observed-step.ts'
import type { ParticipantProcess, Reachable } from './participant-process.ts'
import { SimDisk } from './sim-disk.ts'
import { newLog } from './sim-log.ts'
import type { Process } from './virtual-time.ts'
import type { World } from './world.ts'

interface Life {
  readonly process: Process
  readonly coordinator: Coordinator
  serving: boolean
}

export class CoordinatorProcess {
  readonly #world: World
  readonly #limits: Limits
  readonly disk: SimDisk
  readonly #step: Step
  readonly #breakLog: (log: Log) => Log
  #participants: readonly ParticipantProcess[] = []
  #life: Life | undefined

  constructor(options: {
    readonly world: World
    readonly limits: Limits
    readonly broken: Break | undefined
  }) {
    this.#world = options.world
    this.#limits = options.limits
    this.disk = new SimDisk(options.world)
    this.#step = observedStep(options.world.tally, options.broken?.step?.(step) ?? step)
    this.#breakLog = options.broken?.log ?? ((log) => log)
  }

  set participants(participants: readonly ParticipantProcess[]) {
    this.#participants = participants
  }

  get process(): Process | undefined {
    return this.#life?.process
  }

  /** The present life, if it takes calls. */
  get serving(): { readonly process: Process; readonly coordinator: Coordinator } | undefined {
    return this.#life?.serving === true ? this.#life : undefined
  }

  /** The present life as participants see it: a port that accepts, before it serves too. */
  get reachable(): Reachable | undefined {
    return this.#life === undefined
      ? undefined
      : { process: this.#life.process, listener: this.#shielded(this.#life) }
  }

  get status(): StatusView | undefined {
    return this.serving?.coordinator.status()
  }

  start(): void {
    if (this.#life !== undefined) return
    const world = this.#world
    const process = world.newProcess()
    const log = this.#observeOpening(this.#breakLog(newLog(world, process, this.disk)))
    const coordinator = new Coordinator({
      log,
      limits: this.#limits,
      clock: process.clock,
      timers: this.#shieldedTimers(process),
      random: world.random,
      dialers: this.#participants
        .filter(({ plan }) => plan.link === 'dialled')
        .map((participant) => participant.dialer(process)),
      crashPoints: this.#crashPoints(process),
      step: this.#step,
      notice: (notice) => {
        if (notice.type !== 'log_failed' || !process.alive) return
        // Whoever watches the daemon starts it again.
        process.after(world.random.between(1, 30), () => this.kill({ power: world.random.chance(0.5) }))
      },
    })
    const life: Life = { process, coordinator, serving: false }
    this.#life = life
    coordinator.start().then(
      () => {
        life.serving = true
      },
      (error: unknown) => this.#refusedToStart(process, error),
    )
  }

  /** With `power`, of what was not forced only some oldest part is left. It starts again after a while. */
  kill({ power }: { readonly power: boolean }): void {
    const life = this.#life
    if (life === undefined) return
    const { random, time, tally } = this.#world
    tally.crash('coordinator')
    life.process.kill()
    this.#life = undefined
    if (power) this.disk.crash(random.below(this.disk.unsyncedBatches + 1))
    for (const participant of this.#participants) participant.coordinatorDied()
    time.after(random.chance(0.8) ? random.between(1, 30) : random.between(30, 200), () => this.start())
  }

  /** SIGTERM: drain, stop, and a new life. */
  drain(): void {
    const life = this.serving
    if (life === undefined) return
    const { process, coordinator } = life
    void coordinator
      .drain(this.#limits.drainTimeoutMs)
      .then(() => coordinator.stop())
      .then(() => {
        if (process.alive) this.kill({ power: false })
      })
  }

  #refusedToStart(process: Process, error: unknown): void {
    const code = PledgedError.from(error).code
    if (code !== 'LOG_UNWRITABLE')
      this.#world.see({ type: 'bug', message: `refused to start: ${messageOf(error)}` })
    if (process.alive) this.kill({ power: false })
  }

  #observeOpening(log: Log): Log {
    return {
      ...log,
      open: async (onStage) => {
        const opened = await log.open(onStage)
        this.#world.see({ type: 'opened', logId: opened.logId, epoch: opened.epoch, epochs: opened.epochs })
        return opened
      },
    }
  }

  /** A production assertion that fails would stop the daemon: it is a bug, and seen as one. */
  #shield(process: Process, run: () => void): void {
    if (!process.alive) return
    try {
      run()
    } catch (error) {
      this.#world.see({ type: 'bug', message: messageOf(error) })
      this.kill({ power: false })
    }
  }

  #shieldedTimers(process: Process) {
    const { timers } = process
    return {
      after: (delayMs: number, fire: () => void) => timers.after(delayMs, () => this.#shield(process, fire)),
      soon: (run: () => void) => timers.soon(() => this.#shield(process, run)),
    }
  }

  #shielded({ process, coordinator }: Life): LinkListener {
    return {
      opened: (link) => this.#shield(process, () => coordinator.opened(link)),
      received: (link, messages) => this.#shield(process, () => coordinator.received(link, messages)),
      closed: (link, reason) => this.#shield(process, () => coordinator.closed(link, reason)),
    }
  }

  #crashPoints(process: Process): CrashPoints {
    return {
      pass: () => {
        if (!process.alive || !this.#world.fails('coordinator_crash_point', 'coordinator')) return
        this.kill({ power: this.#world.random.chance(0.5) })
      },
    }
  }
}
