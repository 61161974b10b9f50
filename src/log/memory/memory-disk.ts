/**
 * What outlives a process: records that were synced, and behind them batches that were written and not synced.
 * A process that dies leaves both; a loss of power may take the newest of the unsynced ones with it. A batch is
 * atomic, and never outlives an earlier one.
 */
import { assert } from '../../base/assert.ts'
import type { LogId } from '../../base/ids.ts'

export type Batch = readonly string[]

export class MemoryDisk {
  #logId: LogId | undefined
  #synced: string[] = []
  #unsynced: Batch[] = []
  #opening = 0

  get logId(): LogId | undefined {
    return this.#logId
  }

  get unsyncedBatches(): number {
    return this.#unsynced.length
  }

  /** Every body that a process would read now, oldest first. */
  bodies(): readonly string[] {
    return [...this.#synced, ...this.#unsynced.flat()]
  }

  /** Loss of power: of the unsynced batches, only the `keep` oldest are left. */
  crash(keep = 0): void {
    assert(Number.isSafeInteger(keep) && keep >= 0, 'crash keeps a whole number of batches')
    this.#unsynced.length = Math.min(keep, this.#unsynced.length)
    this.#opening += 1
  }

  /** Fences every earlier opening. Returns the ticket of this one. */
  startOpening(): number {
    this.#opening += 1
    return this.#opening
  }

  isCurrent(opening: number): boolean {
    return opening === this.#opening
  }

  write(batch: Batch): void {
    this.#unsynced.push(batch)
  }

  /** A sync covers all that was written before it. */
  sync(): void {
    for (const batch of this.#unsynced) for (const body of batch) this.#synced.push(body)
    this.#unsynced = []
  }

  nameLog(logId: LogId): void {
    assert(this.#logId === undefined, 'a log is named once')
    this.#logId = logId
  }

  /** Keeps only what `keep` says of the synced records. */
  retain(keep: (body: string) => boolean): void {
    this.#synced = this.#synced.filter(keep)
  }
}
