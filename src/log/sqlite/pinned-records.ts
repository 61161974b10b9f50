/**
 * Where the records are that the next opening must find: of transactions without an end, of broken pledges, the
 * newest of each participant, the epochs, the highest forgotten place. An opening reads from the oldest of them,
 * and a purge stops before it; so old ones are written again at the tail from time to time ("carried forward").
 */
import type { Xid } from '../../base/ids.ts'
import type { StoredRecord } from '../stored-record.ts'

export const EPOCHS = 'epochs'
export const FORGOTTEN = 'forgotten'
const SUPERSEDED = 'superseded'

export class PinnedRecords {
  /** In the order of their oldest position: what is carried forward moves to the end. */
  readonly #positions = new Map<string, number[]>()
  readonly #broken = new Set<Xid>()

  note(record: StoredRecord, position: number): void {
    switch (record.type) {
      case 'decision':
      case 'one_phase':
      case 'operator':
        this.#add(record.xid, position)
        return
      case 'heuristic':
        this.#broken.add(record.xid)
        this.#add(record.xid, position)
        return
      case 'end':
      case 'aborted':
        if (this.#broken.has(record.xid)) this.#add(record.xid, position)
        else this.#positions.delete(record.xid)
        return
      case 'participant':
        this.#replace(`participant ${record.name}`, position)
        return
      case 'superseded':
        this.#replace(SUPERSEDED, position)
        return
      case 'epochs':
        // Each names one opening, until they are carried forward as one.
        this.#add(EPOCHS, position)
        return
      case 'forgotten':
        this.#replace(FORGOTTEN, position)
    }
  }

  has(key: string): boolean {
    return this.#positions.has(key)
  }

  get size(): number {
    return this.#positions.size
  }

  oldest(): { readonly key: string; readonly positions: readonly number[] } | undefined {
    for (const [key, positions] of this.#positions) return { key, positions }
    return undefined
  }

  oldestPosition(): number | undefined {
    return this.oldest()?.positions[0]
  }

  /** Its records are about to be written again. */
  release(key: string): void {
    this.#positions.delete(key)
  }

  #add(key: string, position: number): void {
    const positions = this.#positions.get(key)
    if (positions === undefined) this.#positions.set(key, [position])
    else positions.push(position)
  }

  #replace(key: string, position: number): void {
    this.#positions.delete(key)
    this.#positions.set(key, [position])
  }
}
