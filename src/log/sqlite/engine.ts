/**
 * One open log, synchronously: the worker's thread runs it. Whoever calls must stop writing at the first
 * exception (R6): what the engine remembers and what is on disk may differ then.
 */
import type { Database } from 'better-sqlite3'
import type { Epoch, XidPosition } from '../../base/ids.ts'
import { compareXids } from '../../base/ids.ts'
import type { Clock } from '../../base/ports.ts'
import { encodeRecord } from '../record-codec.ts'
import type { SingleRecord, StoredRecord } from '../stored-record.ts'
import { isTransactionRecord, oneByOne, placeOf } from '../stored-record.ts'
import { type AppendedRecord, appendedRecord } from './append-lines.ts'
import { checkpoint } from './database.ts'
import type { DirectoryLock } from './directory-lock.ts'
import type { LogFiles } from './files.ts'
import { closeKeepingWal, removePid } from './files.ts'
import type { Link, Meta } from './meta.ts'
import { writeMeta } from './meta.ts'
import type { NotedRecord, PinnedRecords } from './pinned-records.ts'
import { EPOCHS, FORGOTTEN } from './pinned-records.ts'
import type { NewRow, RecordTable } from './record-table.ts'
import { checkLink, decodeRow, newRow } from './record-table.ts'
import type { Tuning } from './tuning.ts'

/** Pages that a transaction writes besides its records', about: of the indexes, and the table's own. */
const PAGES_PER_TRANSACTION_BYTES = 4 * 4_096

export interface EngineParts {
  readonly files: LogFiles
  readonly lock: DirectoryLock
  readonly database: Database
  readonly table: RecordTable
  readonly clock: Clock
  readonly tuning: Tuning
  readonly meta: Meta
  readonly tail: Link
  readonly pinned: PinnedRecords
  readonly epochs: readonly Epoch[]
  readonly forgottenThrough: XidPosition | undefined
}

export class Engine {
  readonly files: LogFiles
  readonly table: RecordTable
  readonly tuning: Tuning
  readonly #lock: DirectoryLock
  readonly #database: Database
  readonly #clock: Clock
  readonly #pinned: PinnedRecords
  readonly #epochs: readonly Epoch[]
  #forgottenThrough: XidPosition | undefined
  #meta: Meta
  #tail: Link
  #walBytes = 0

  constructor(parts: EngineParts) {
    this.files = parts.files
    this.table = parts.table
    this.tuning = parts.tuning
    this.#lock = parts.lock
    this.#database = parts.database
    this.#clock = parts.clock
    this.#pinned = parts.pinned
    this.#epochs = parts.epochs
    this.#forgottenThrough = parts.forgottenThrough
    this.#meta = parts.meta
    this.#tail = parts.tail
  }

  get anchor(): Link {
    return this.#meta.anchor
  }

  get replay(): Link {
    return this.#meta.replay
  }

  get tail(): Link {
    return this.#tail
  }

  get forgottenThrough(): XidPosition | undefined {
    return this.#forgottenThrough
  }

  /** One transaction, one sync, for all of them. Durable when it returns. */
  append(lines: readonly string[]): void {
    this.#write(() => {
      for (const line of lines) this.#append(appendedRecord(line))
    })
  }

  /** Durably raises the place. Answers whether it was raised. */
  forget(through: XidPosition): boolean {
    const before = this.#forgottenThrough
    if (before !== undefined && compareXids(through, before) <= 0) return false
    this.#write(() => this.#insertRecord(forgottenRecord(through)))
    this.#forgottenThrough = through
    return true
  }

  /** Drops a slice of what is forgotten. Answers whether there may be more. */
  purgeSlice(): boolean {
    const rows = this.table.rowsAfter(this.anchor.position, this.tuning.sliceRecords, this.replay.position)
    let last = this.anchor
    for (const row of rows) {
      const link = checkLink(row, last)
      if (!oneByOne(decodeRow(row)).every((record) => this.#isForgotten(record))) break
      last = link
    }
    if (last === this.anchor) return false
    this.#write(() => {
      this.table.dropThrough(last.position)
      this.#setMeta({ ...this.#meta, anchor: last })
    })
    return last.position < this.replay.position
  }

  /** Not as part of a commit: what was answered need not wait for it. */
  checkpointIfDue(): void {
    if (this.#walBytes < this.tuning.checkpointBytes) return
    checkpoint(this.#database, 'PASSIVE')
    this.#walBytes = 0
  }

  close(): void {
    try {
      // Nothing may be carried forward behind the tail that is written here.
      this.#transact(() => this.#setMeta({ ...this.#meta, mark: 'closed', tail: this.#tail }))
      checkpoint(this.#database, 'TRUNCATE')
    } catch (error) {
      this.abandon()
      throw error
    }
    this.#database.close()
    this.#letGo()
  }

  /** Ends without the closing mark, and leaves the files as a kill would. */
  abandon(): void {
    try {
      closeKeepingWal(this.files, () => this.#database.close())
    } finally {
      this.#letGo()
    }
  }

  #letGo(): void {
    removePid(this.files)
    this.#lock.release()
  }

  #write(work: () => void): void {
    this.#transact(() => {
      work()
      this.#advanceReplay()
    })
  }

  #transact(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#rollBack()
      throw error
    }
    this.#walBytes += PAGES_PER_TRANSACTION_BYTES
  }

  /** SQLite rolls back by itself after some errors, and then refuses to do it again. */
  #rollBack(): void {
    if (!this.#database.inTransaction) return
    try {
      this.#database.exec('ROLLBACK')
    } catch {
      // The failure that led here is the one to report.
    }
  }

  #append({ noted, row }: AppendedRecord): void {
    const isLate = noted.type === 'heuristic' && !this.#pinned.has(noted.xid)
    this.#insert(noted, row)
    // Its transaction ended before, and is kept from now on: all of it, behind this record.
    if (isLate) this.#insertAgain(this.table.recordsOf(placeOf(noted.xid), this.anchor))
  }

  #insertRecord(record: StoredRecord): void {
    this.#insert(record, newRow(record))
  }

  #insert(noted: NotedRecord, row: NewRow): void {
    this.#tail = this.table.insert(row, this.#tail)
    this.#pinned.note(noted, this.#tail.position)
    this.#walBytes += 2 * row.body.length
  }

  /** A broken pledge goes first: replay knows by it that the end that follows belongs to a kept transaction. */
  #insertAgain(records: readonly StoredRecord[]): void {
    const distinct = new Map(records.map((record) => [encodeRecord(record), record]))
    const rows = [...distinct].map(([body, record]) => ({ record, row: newRow(record, body) }))
    for (const { record, row } of rows) if (record.type === 'heuristic') this.#insert(record, row)
    for (const { record, row } of rows) if (record.type !== 'heuristic') this.#insert(record, row)
  }

  /** Keeps what an opening reads short: see PinnedRecords. A few records a batch, so that no batch waits long. */
  #advanceReplay(): void {
    const span = Math.max(this.tuning.replayRecordsMax, 4 * this.#pinned.size)
    for (let carried = 0; carried < this.tuning.carriedPerBatchMax; carried += 1) {
      const oldest = this.#pinned.oldest()
      if (oldest === undefined || (oldest.positions[0] ?? 0) >= this.#tail.position - span) break
      this.#carryForward(oldest.key, oldest.positions)
    }
    const through = (this.#pinned.oldestPosition() ?? this.#tail.position + 1) - 1
    if (through - this.replay.position < this.tuning.replayAdvanceRecords) return
    this.#setMeta({ ...this.#meta, replay: this.table.linkAt(through, this.anchor) })
  }

  #carryForward(key: string, positions: readonly number[]): void {
    this.#pinned.release(key)
    if (key === EPOCHS) {
      this.#insertRecord({ type: 'epochs', epochs: this.#epochs, timeMs: this.#clock.wallMs() })
    } else if (key === FORGOTTEN && this.#forgottenThrough !== undefined) {
      this.#insertRecord(forgottenRecord(this.#forgottenThrough))
    } else {
      this.#insertAgain(positions.flatMap((position) => this.#recordsFor(key, position)))
    }
  }

  /** What the position holds for the key: of ends that were told together, the one. */
  #recordsFor(key: string, position: number): readonly StoredRecord[] {
    const records = oneByOne(this.table.recordAt(position, this.anchor))
    return records.filter((record) => record.type !== 'end' || record.xid === key)
  }

  #isForgotten(record: SingleRecord): boolean {
    if (!isTransactionRecord(record)) return true
    return (
      this.#forgottenThrough !== undefined && compareXids(placeOf(record.xid), this.#forgottenThrough) <= 0
    )
  }

  #setMeta(meta: Meta): void {
    writeMeta(this.#database, meta)
    this.#meta = meta
  }
}

function forgottenRecord(through: XidPosition): StoredRecord {
  return { type: 'forgotten', epochNumber: through.epochNumber, sequence: through.sequence }
}
