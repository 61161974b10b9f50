/**
 * What the log knows of itself, apart from its records: one row, with a checksum. Its table is the same in every
 * format, since it is read before the format is known.
 */

import { crc32 } from 'node:zlib'
import type { Database } from 'better-sqlite3'
import { PledgedError } from '../../base/errors.ts'
import type { LogId } from '../../base/ids.ts'
import { isLogId } from '../../base/ids.ts'
import type { Restoration } from '../../protocol/records.ts'

/** A record's place, and the checksum of it and of all records before it. */
export interface Link {
  readonly position: number
  readonly chain: number
}

/**
 * open: a process serves this log, or died doing so: what it answered last is in the WAL, so a missing WAL is
 * fatal. Otherwise the main file alone is complete. (opening: the same as closed, said by an opening that has not
 * answered yet.) backup: a copy that is to be restored first; opened as it is, it would speak for the log that it was
 * copied from, which may have gone on.
 */
export type Mark = 'closed' | 'opening' | 'open' | 'backup'

/** Where the inherited records end. */
export interface RestoredMeta extends Restoration {
  readonly through: number
  readonly epochNumber: number
}

export interface Meta {
  readonly format: number
  readonly logId: LogId
  readonly mark: Mark
  /** Of the newest opening; 0: none yet. */
  readonly epochNumber: number
  /** Behind the last record that was dropped; the first record that is left follows it. */
  readonly anchor: Link
  /** All that an opening must know lies behind this record. */
  readonly replay: Link
  /** Set with `closed` and `backup`: the last record. */
  readonly tail?: Link | undefined
  /** Set with `backup`: when it was made. */
  readonly backupTimeMs?: number | undefined
  /** The records up to there are of other logs' xids. */
  readonly restored?: RestoredMeta | undefined
}

export function createMetaTable(database: Database): void {
  database.exec(
    'CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT',
  )
}

export function writeMeta(database: Database, meta: Meta): void {
  const body = JSON.stringify(meta)
  database.prepare('INSERT OR REPLACE INTO meta (id, body, checksum) VALUES (1, ?, ?)').run(body, crc32(body))
}

/** Throws LOG_DAMAGED with what is wrong; the caller adds where. */
export function readMeta(database: Database): Meta {
  const row = database
    .prepare<[], { body: string; checksum: number }>('SELECT body, checksum FROM meta WHERE id = 1')
    .get()
  if (row === undefined) throw new PledgedError('LOG_DAMAGED', 'its meta row is missing')
  if (crc32(row.body) !== row.checksum) throw new PledgedError('LOG_DAMAGED', 'its meta row was changed')
  const meta = JSON.parse(row.body) as Meta
  if (!isLogId(meta.logId)) throw new PledgedError('LOG_DAMAGED', 'its meta row names no log')
  return meta
}
