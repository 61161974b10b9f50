/**
 * The coordinator through its lives: the production one, on one disk, killed at any point and started again. For a
 * time another one may stand in its place, on an old copy of its log (R11), or beside it, on the same (R8).
 */
import { messageOf, PledgedError } from '../base/errors.ts'
import type { Limits } from '../base/limits.ts'
import type { StatusView } from '../coordinator/views.ts'
import type { Break } from './breaks/break.ts'
import { type CoordinatorLife, newLife } from './coordinator-life.ts'
import type { ParticipantProcess, Reachable } from './participant-process.ts'
import type { SessionNetwork } from './sessions/index.ts'
import { type DiskImage, SimDisk } from './sim-disk.ts'
import type { Process } from './virtual-time.ts'
import type { World } from './world.ts'

export class CoordinatorProcess {
  /** The log's. */
  readonly disk: SimDisk
  readonly #world: World
  readonly #limits: Limits
  readonly #broken: Break | undefined
  #participants: readonly ParticipantProcess[] = []
  #network: SessionNetwork | undefined
  /** The newest is the one that is found under the address. */
  readonly #lives: CoordinatorLife[] = []
  /** Who is starting beside one that is found. */
  readonly #beside = new Set<CoordinatorLife>()
  /** What lies where the log should: an old copy of it, for a time. */
  #present: SimDisk
  /** Old copies in which it is written that they are such. */
  readonly #foundOut = new Set<SimDisk>()
  /** As it was before its newest opening. */
  #copy: DiskImage | undefined

  constructor(options: {
    readonly world: World
    readonly limits: Limits
    readonly broken: Break | undefined
  }) {
    this.#world = options.world
    this.#limits = options.limits
    this.#broken = options.broken
    this.disk = new SimDisk({
      see: (observation) => options.world.see(observation),
      slips: options.broken?.disk ?? {},
    })
    this.#present = this.disk
  }

  set participants(participants: readonly ParticipantProcess[]) {
    this.#participants = participants
  }

  set network(network: SessionNetwork) {
    this.#network = network
  }

  get process(): Process | undefined {
    return this.#top?.process
  }

  /** The present life, if it takes calls. */
  get serving(): CoordinatorLife | undefined {
    return this.#top?.serving === true ? this.#top : undefined
  }

  /** The present life as participants see it: a port that accepts, before it serves too. */
  get reachable(): Reachable | undefined {
    return this.#top
  }

  /** Whether an old copy of the log is in its place. */
  get isOldCopy(): boolean {
    return this.#top?.isOldCopy === true
  }

  get status(): StatusView | undefined {
    return this.serving?.coordinator.status()
  }

  start(): void {
    if (this.#lives.length > 0) return
    const isOldCopy = this.#present !== this.disk
    const image = this.disk.image()
    const life = this.#newLife(this.#present, isOldCopy)
    this.#lives.push(life)
    life.start().then(
      () => {
        if (!isOldCopy) this.#copy = image
      },
      (error: unknown) => this.#refusedToStart(life, error),
    )
  }

  /** With `power`, of what was not forced only some oldest part is left. It starts again after a while. */
  kill({ power }: { readonly power: boolean }): void {
    if (this.#top !== undefined) this.#end(this.#top, power)
  }

  /** SIGTERM: drain, stop, and a new life. */
  drain(): void {
    const life = this.serving
    if (life === undefined) return
    void life.coordinator
      .drain(this.#limits.drainTimeoutMs)
      .then(() => life.coordinator.stop())
      .then(() => {
        if (life.process.alive) this.#end(life, false)
      })
  }

  /** Records go while nobody has the log open; somebody finds them by and by. */
  damageLog(records: number): boolean {
    for (const life of [...this.#beside, ...this.#lives]) {
      if (life.disk === this.disk) this.#end(life, false)
    }
    if (!this.disk.damage(records)) return false
    this.#later(20, 150, () => this.disk.repair())
    return true
  }

  /** A second daemon is started on the same log. Only a bug lets it serve. */
  startSecond(): boolean {
    if (this.serving === undefined || this.isOldCopy) return false
    this.#startBeside(this.#newLife(this.disk, false))
    return true
  }

  /** The data directory is put back from an old copy; later somebody finds the right one. */
  putBackCopy(): boolean {
    const copy = this.#oldCopy()
    if (copy === undefined || this.#top === undefined) return false
    this.#present = copy
    this.#end(this.#top, false)
    this.#later(60, 300, () => this.#putBackOriginal())
    return true
  }

  /** A clone of the machine, made before the last start, is switched on beside it. */
  startClone(): boolean {
    const copy = this.#oldCopy()
    if (copy === undefined || this.serving === undefined) return false
    const clone = this.#newLife(copy, true)
    this.#startBeside(clone)
    this.#later(40, 250, () => this.#end(clone, false))
    return true
  }

  /** What only people can mend is mended. */
  heal(): void {
    this.disk.freeSpace()
    this.disk.repair()
    this.#putBackOriginal()
    for (const life of [...this.#beside, ...this.#lives]) {
      const isNewest = life === this.#top && !life.isOldCopy
      if (!isNewest) this.#end(life, false)
    }
    this.start()
  }

  get #top(): CoordinatorLife | undefined {
    return this.#lives.at(-1)
  }

  /**
   * Whoever has seen the newest epoch knows the copy for what it is. A participant that has not would take part under
   * it: against that no rule helps, and the design says so.
   */
  #oldCopy(): SimDisk | undefined {
    const image = this.#copy
    const newest = this.disk.epochs.at(-1)
    if (image === undefined || newest === undefined || this.#present !== this.disk) return undefined
    const haveSeenIt = this.#participants.every(({ resource }) => resource.epochs.get(image.logId) === newest)
    if (!haveSeenIt) return undefined
    const copy: SimDisk = new SimDisk({
      see: (seen) => {
        if (seen.type === 'durable' && seen.record.type === 'superseded') this.#foundOut.add(copy)
      },
      slips: {},
    })
    copy.fillFrom(image)
    return copy
  }

  #putBackOriginal(): void {
    if (this.#present === this.disk) return
    this.#present = this.disk
    for (const life of this.#lives.filter(({ isOldCopy }) => isOldCopy)) this.#end(life, false)
  }

  #newLife(disk: SimDisk, isOldCopy: boolean): CoordinatorLife {
    return newLife({
      world: this.#world,
      limits: this.#limits,
      broken: this.#broken,
      disk,
      isOldCopy,
      participants: this.#participants,
      end: (life, { power }) => this.#end(life, power),
    })
  }

  /** Nobody meets it before it serves, if ever it does. */
  #startBeside(life: CoordinatorLife): void {
    this.#beside.add(life)
    const isWanted = () => this.#beside.delete(life) && life.process.alive
    life.start().then(
      () => {
        if (isWanted()) this.#lives.push(life)
      },
      (error: unknown) => {
        isWanted()
        life.process.kill()
        const { code } = PledgedError.from(error)
        if (code !== 'LOG_IN_USE' && !life.isOldCopy)
          this.#world.see({ type: 'bug', message: `refused a second owner: ${messageOf(error)}` })
      },
    )
  }

  #end(life: CoordinatorLife, power: boolean): void {
    this.#beside.delete(life)
    if (!life.process.alive) return
    const { random, tally } = this.#world
    tally.crash('coordinator')
    if (power) life.disk.crash(random.below(life.disk.unsyncedBatches + 1))
    // A machine takes with it all that runs on it.
    const dead = power ? this.#lives.filter(({ disk }) => disk === life.disk) : [life]
    for (const other of dead) {
      other.process.kill()
      const index = this.#lives.indexOf(other)
      if (index >= 0) this.#lives.splice(index, 1)
      for (const participant of this.#participants) participant.coordinatorDied(other.process)
      this.#network?.coordinatorDied(other.process)
    }
    // Started again and again before it meets anybody, a copy would pass for newer than what everybody has seen.
    if (life.isOldCopy && !this.#foundOut.has(life.disk)) this.#putBackOriginal()
    if (random.chance(0.8)) this.#later(1, 30, () => this.start())
    else this.#later(30, 200, () => this.start())
  }

  #later(lowMs: number, highMs: number, run: () => void): void {
    this.#world.time.after(this.#world.random.between(lowMs, highMs), run)
  }

  #refusedToStart(life: CoordinatorLife, error: unknown): void {
    const { code } = PledgedError.from(error)
    const isExpected = code === 'LOG_UNWRITABLE' || (code === 'LOG_DAMAGED' && this.disk.isDamaged)
    if (!isExpected) this.#world.see({ type: 'bug', message: `refused to start: ${messageOf(error)}` })
    this.#end(life, false)
  }
}
