/**
 * The coordinator's disk: what is written and what is on stable storage is seen, each when it happens. It fills up,
 * loses what nobody had forced, and once in a while what somebody had.
 */
import { PledgedError } from '../base/errors.ts'
import type { Epoch, XidPosition } from '../base/ids.ts'
import { type Batch, MemoryDisk } from '../log/memory/memory-disk.ts'
import type { StoredRecord } from '../log/stored-record.ts'
import type { Observation } from './observations.ts'
import type { Process } from './virtual-time.ts'

/** Bugs of a log's files, for --break. */
export interface DiskSlips {
  /** Whoever opens the log has it (R8). */
  readonly ignoresLock?: boolean | undefined
  /** What is left of a damaged log is taken for all of it (R7). */
  readonly opensDamaged?: boolean | undefined
}

export interface SimDiskOptions {
  readonly see: (observation: Observation) => void
  readonly slips: DiskSlips
}

export class SimDisk extends MemoryDisk {
  readonly #options: SimDiskOptions
  readonly #knownParticipants = new Set<string>()
  readonly #epochs: Epoch[] = []
  #forgottenThrough: XidPosition | undefined
  #unsynced: StoredRecord[][] = []
  #owner: Process | undefined
  #isFull = false
  /** While it is damaged: what it held before. */
  #undamaged: readonly string[] | undefined

  constructor(options: SimDiskOptions) {
    super()
    this.#options = options
  }

  /** On stable storage. */
  get knownParticipants(): ReadonlySet<string> {
    return this.#knownParticipants
  }

  get epochs(): readonly Epoch[] {
    return this.#epochs
  }

  get forgottenThrough(): XidPosition | undefined {
    return this.#forgottenThrough
  }

  get isFull(): boolean {
    return this.#isFull
  }

  get isDamaged(): boolean {
    return this.#undamaged !== undefined
  }

  /** R8: the kernel lets go of the lock of a process that has died. Throws LOG_IN_USE. */
  lock(process: Process): void {
    const isHeld = this.#owner !== undefined && this.#owner !== process && this.#owner.alive
    if (isHeld && this.#options.slips.ignoresLock !== true)
      throw new PledgedError('LOG_IN_USE', 'another coordinator has the log open')
    this.#owner = process
  }

  /** R7. Throws LOG_DAMAGED. */
  verify(): void {
    if (!this.isDamaged) return
    if (this.#options.slips.opensDamaged !== true)
      throw new PledgedError('LOG_DAMAGED', 'records are missing')
    this.#undamaged = undefined
  }

  /** What was opened before has been fenced by whoever opened it since, even where the lock failed. */
  override isCurrent(opening: number): boolean {
    return this.#options.slips.ignoresLock === true || super.isCurrent(opening)
  }

  override write(batch: Batch): void {
    if (this.#isFull) return
    super.write(batch)
    // The log has made them, and checks them when it reads.
    const records = batch.map((body) => JSON.parse(body) as StoredRecord)
    for (const record of records) this.#options.see({ type: 'written', record })
    this.#unsynced.push(records)
  }

  override sync(): void {
    super.sync()
    for (const record of this.#unsynced.flat()) {
      this.#options.see({ type: 'durable', record })
      if (record.type === 'participant') this.#knownParticipants.add(record.name)
      if (record.type === 'epochs') this.#epochs.push(...record.epochs)
      if (record.type === 'forgotten') this.#forgottenThrough = record
    }
    this.#unsynced = []
  }

  override crash(keep = 0): void {
    super.crash(keep)
    this.#unsynced.length = Math.min(keep, this.#unsynced.length)
  }

  fillUp(): void {
    this.#isFull = true
  }

  freeSpace(): void {
    this.#isFull = false
  }

  /** The newest records go, as when somebody removes a WAL. False where that can't be done. */
  damage(records: number): boolean {
    const whole = this.bodies()
    if (this.isDamaged || this.unsyncedBatches > 0 || records >= whole.length) return false
    this.#undamaged = whole
    this.#replace(whole.slice(0, whole.length - records))
    return true
  }

  /** Somebody has found the missing file. */
  repair(): void {
    if (this.#undamaged !== undefined) this.#replace(this.#undamaged)
    this.#undamaged = undefined
  }

  /** An image of another disk. */
  fillFrom(image: DiskImage): void {
    this.nameLog(image.logId)
    this.#replace(image.bodies)
  }

  image(): DiskImage | undefined {
    return this.logId && { logId: this.logId, bodies: this.bodies() }
  }

  #replace(bodies: readonly string[]): void {
    this.retain(() => false)
    super.write(bodies)
    super.sync()
  }
}

export interface DiskImage {
  readonly logId: NonNullable<MemoryDisk['logId']>
  readonly bodies: readonly string[]
}
