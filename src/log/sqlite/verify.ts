/** `pledged log verify`: everything that can be said of a closed log, with every problem, not only the first. */
import type { Database } from 'better-sqlite3'
import { messageOf, PledgedError } from '../../base/errors.ts'
import type { Epoch, LogId, XidPosition } from '../../base/ids.ts'
import { History } from '../history.ts'
import { checkMainFile } from './files.ts'
import type { Link, Mark, Meta } from './meta.ts'
import { readMeta } from './meta.ts'
import { formatOf, MIGRATIONS } from './migrations.ts'
import type { OfflineCopy, OfflineOptions } from './offline-copy.ts'
import { copyOffline, openCopy } from './offline-copy.ts'
import { checkLogId, checkMark, checkTail, checkWal } from './opening-checks.ts'
import type { Row } from './record-table.ts'
import { checkLink, RecordTable } from './record-table.ts'
import { defaultTuning } from './tuning.ts'

export interface VerifyReport {
  readonly directory: string
  readonly logId: LogId | undefined
  readonly format: number | undefined
  /** Of the newest opening. */
  readonly epoch: Epoch | undefined
  readonly openings: number
  /** open: it was not closed; the next opening replays its WAL. */
  readonly mark: Mark | undefined
  readonly records: number
  readonly firstPosition: number | undefined
  readonly lastPosition: number | undefined
  readonly unended: number
  readonly heuristics: number
  readonly participants: number
  readonly forgottenThrough: XidPosition | undefined
  /** In sentences. None: the log is whole, as far as can be told. */
  readonly problems: readonly string[]
}

/** A log with thousands of broken records needs no thousand sentences. */
const PROBLEMS_MAX = 100

/** Throws LOG_IN_USE, LOG_UNREADABLE. What is wrong with the log itself is in the report. */
export function verifyLog(directory: string, options: OfflineOptions = {}): VerifyReport {
  const copy = copyOffline(directory, options)
  try {
    return verifyCopy(copy)
  } finally {
    copy.remove()
  }
}

export function verifyCopy(copy: OfflineCopy): VerifyReport {
  return new Verification(copy).run()
}

class Verification {
  readonly #copy: OfflineCopy
  readonly #history = new History()
  readonly #problems: string[] = []
  #format: number | undefined
  #meta: Meta | undefined
  #records = 0
  #first: Link | undefined
  #last: Link | undefined

  constructor(copy: OfflineCopy) {
    this.#copy = copy
  }

  run(): VerifyReport {
    const { original, copy, found, expectedLogId } = this.#copy
    this.#try(() => checkWal(original, copy.wal))
    const isThere = this.#try(() => checkMainFile(original, found, expectedLogId !== undefined))
    if (isThere && found.mainBytes !== undefined) this.#try(() => this.#verifyDatabase())
    return this.#report()
  }

  #verifyDatabase(): void {
    const database = openCopy(this.#copy)
    try {
      this.#format = formatOf(database)
      if (!this.#knowsFormat(this.#format)) return
      const meta = readMeta(database)
      this.#meta = meta
      this.#checkMeta(meta)
      const table = new RecordTable(database)
      this.#try(() => this.#verifyRecords(table, meta))
      this.#try(() => checkTail(this.#copy.original, defaultTuning, table, meta))
      this.#verifyIntegrity(database)
    } finally {
      database.close()
    }
  }

  #knowsFormat(format: number): boolean {
    if (format === MIGRATIONS.length) return true
    this.#problem(
      format === 0
        ? 'the main file holds nothing yet'
        : `the log has format ${format}, and this version verifies format ${MIGRATIONS.length}`,
    )
    return false
  }

  #checkMeta(meta: Meta): void {
    const { original, found, expectedLogId } = this.#copy
    this.#try(() => checkMark(original, found, meta))
    this.#try(() => checkLogId(original, expectedLogId, meta.logId))
  }

  #verifyRecords(table: RecordTable, meta: Meta): void {
    let link = meta.anchor
    let rows = table.rowsAfter(0, defaultTuning.sliceRecords)
    while (rows.length > 0) {
      for (const row of rows) link = this.#verifyRow(table, row, link, meta)
      rows = table.rowsAfter(link.position, defaultTuning.sliceRecords)
    }
    this.#last = link.position === meta.anchor.position ? undefined : link
  }

  /** Goes on behind a damaged record, with what that record says of itself. */
  #verifyRow(table: RecordTable, row: Row, previous: Link, meta: Meta): Link {
    this.#records += 1
    this.#first ??= row
    this.#try(() => checkLink(row, previous))
    this.#try(() => {
      const record = table.checkColumns(row)
      // Older ones may be of transactions of which a part was dropped.
      if (row.position > meta.replay.position) this.#history.apply(record)
    })
    if (row.position === meta.replay.position && row.chain !== meta.replay.chain) {
      this.#problem(`the checksum of record ${row.position} is not the one that the meta row has of it`)
    }
    return { position: row.position, chain: row.chain }
  }

  #verifyIntegrity(database: Database): void {
    const rows = database.pragma(`integrity_check(${PROBLEMS_MAX})`) as { integrity_check: string }[]
    for (const { integrity_check: says } of rows) if (says !== 'ok') this.#problem(`SQLite says: ${says}`)
  }

  #try(check: () => unknown): boolean {
    try {
      check()
      return true
    } catch (error) {
      this.#problem(
        error instanceof PledgedError ? (error.metadata['damage'] ?? error.message) : messageOf(error),
      )
      return false
    }
  }

  #problem(sentence: string): void {
    if (this.#problems.length < PROBLEMS_MAX && !this.#problems.includes(sentence))
      this.#problems.push(sentence)
  }

  #report(): VerifyReport {
    const { epochs, unended, heuristics, participants, forgottenThrough } = this.#history
    return {
      directory: this.#copy.original.directory,
      logId: this.#meta?.logId,
      format: this.#format,
      epoch: epochs.at(-1),
      openings: epochs.length,
      mark: this.#meta?.mark,
      records: this.#records,
      firstPosition: this.#first?.position,
      lastPosition: this.#last?.position,
      unended: unended.length,
      heuristics: heuristics.length,
      participants: participants.length,
      forgottenThrough,
      problems: this.#problems,
    }
  }
}
