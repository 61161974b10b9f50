/** The coordinator's disk: what is written and what is on stable storage is seen, each when it happens. */
import type { Epoch, XidPosition } from '../base/ids.ts'
import { type Batch, MemoryDisk } from '../log/memory/memory-disk.ts'
import { decodeRecord } from '../log/record-codec.ts'
import type { StoredRecord } from '../log/stored-record.ts'
import type { World } from './world.ts'

export class SimDisk extends MemoryDisk {
  readonly #world: World
  readonly #knownParticipants = new Set<string>()
  readonly #epochs: Epoch[] = []
  #forgottenThrough: XidPosition | undefined
  #unsynced: StoredRecord[][] = []

  constructor(world: World) {
    super()
    this.#world = world
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

  override write(batch: Batch): void {
    super.write(batch)
    const records = batch.map(decodeRecord)
    for (const record of records) this.#world.see({ type: 'written', record })
    this.#unsynced.push(records)
  }

  override sync(): void {
    super.sync()
    for (const record of this.#unsynced.flat()) {
      this.#world.see({ type: 'durable', record })
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
}
