/**
 * Where the records are that the next opening must find: of transactions without an end, of broken pledges, the
 * newest of each participant and its pause, the newest of the audit, the epochs, the highest forgotten place. An opening reads from the oldest of them,
 * and a purge stops before it; so old ones are written again at the tail from time to time ("carried forward").
 */
import { ChurningMap, ChurningSet } from '../../base/churning.ts'
import type { Xid } from '../../base/ids.ts'
import { auditEventsMax } from '../../base/limits.ts'
import type { AcknowledgementRecord, AuditRecord, DecisionRecord, EndRecord } from '../../protocol/records.ts'
import { endsIn, type StoredRecord } from '../stored-record.ts'

export const EPOCHS = 'epochs'
export const FORGOTTEN = 'forgotten'
const SUPERSEDED = 'superseded'

/** What is looked at of a record, to know where it belongs. */
export type NotedRecord =
  | Exclude<StoredRecord, DecisionRecord | EndRecord>
  | Pick<DecisionRecord, 'type' | 'xid'>
  | Pick<EndRecord, 'type' | 'xid'>

export class PinnedRecords {
  /** In the order of their oldest position: what is carried forward moves to the end. */
  readonly #positions = new ChurningMap<string, number[]>()
  /** Participants whose broken pledge nobody has acknowledged. */
  readonly #broken = new Map<Xid, Set<string>>()
  /** Transactions without an end. */
  readonly #open = new ChurningSet<Xid>()
  /** When, by key. */
  readonly #audit = new Map<string, number>()

  note(record: NotedRecord, position: number): void {
    switch (record.type) {
      case 'decision':
      case 'one_phase':
        this.#open.add(record.xid)
        this.#add(record.xid, position)
        return
      case 'operator':
        // A commit's decision comes with it; an abort is presumed without it.
        return
      case 'branch_forgotten':
        if (this.#positions.has(record.xid)) this.#add(record.xid, position)
        return
      case 'heuristic':
        this.#brokenOf(record.xid).add(record.participant)
        this.#add(record.xid, position)
        return
      case 'acknowledgement':
        this.#acknowledge(record, position)
        return
      case 'end':
      case 'aborted':
        this.#noteEnd(record.xid, position)
        return
      case 'ends':
        for (const { xid } of endsIn(record)) this.#noteEnd(xid, position)
        return
      case 'participant':
        this.#replace(`participant ${record.name}`, position)
        return
      case 'superseded':
        this.#replace(SUPERSEDED, position)
        return
      case 'pause':
        this.#replace(`pause ${record.participant}`, position)
        return
      case 'audit':
        this.#noteAudit(record, position)
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
    this.#audit.delete(key)
  }

  #noteEnd(xid: Xid, position: number): void {
    this.#open.delete(xid)
    if (this.#broken.has(xid)) this.#add(xid, position)
    else this.#positions.delete(xid)
  }

  #brokenOf(xid: Xid): Set<string> {
    const broken = this.#broken.get(xid) ?? new Set()
    this.#broken.set(xid, broken)
    return broken
  }

  /** Once all is acknowledged the transaction is kept as long as any other. */
  #acknowledge({ xid, participants }: AcknowledgementRecord, position: number): void {
    const broken = this.#brokenOf(xid)
    for (const participant of participants) broken.delete(participant)
    if (broken.size === 0) this.#broken.delete(xid)
    if (broken.size > 0 || this.#open.has(xid)) this.#add(xid, position)
    else this.#positions.delete(xid)
  }

  /** So many of the newest; one that is carried forward is noted anew, under the same time. */
  #noteAudit({ timeMs }: AuditRecord, position: number): void {
    const key = `audit ${position}`
    this.#audit.set(key, timeMs)
    this.#add(key, position)
    if (this.#audit.size <= auditEventsMax) return
    const [oldest] = [...this.#audit].sort(([, left], [, right]) => left - right)
    if (oldest !== undefined) this.release(oldest[0])
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
