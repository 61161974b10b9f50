/**
 * The format of the log's file, by number. A log of an older format is brought forward at its opening, one
 * format after the other, each in a transaction of its own; a newer one is refused. Number 0 is an empty file.
 *
 * A change of the format is a new entry at the end of `MIGRATIONS`; an entry that was released never changes.
 */

import { crc32 } from 'node:zlib'
import type { Database } from 'better-sqlite3'
import { assert } from '../../base/assert.ts'
import { PledgedError } from '../../base/errors.ts'
import type { LogId } from '../../base/ids.ts'
import type { Link } from './meta.ts'
import { createMetaTable, readMeta, writeMeta } from './meta.ts'

/** Brings a file from the format before to this one. `drawLogId` is for the making of a log. */
export type Migration = (database: Database, drawLogId: () => LogId) => void

export const MIGRATIONS: readonly Migration[] = [createLog, admitOperators, admitGatheredEnds]

/** 'PLDG': by it, `file` and SQLite's own tools know whose file this is. */
const APPLICATION_ID = 0x50_4c_44_47

/**
 * Returns the format that was found. Throws LOG_UNREADABLE of a newer format, LOG_DAMAGED of a database that is
 * not a log.
 */
export function migrate(
  database: Database,
  drawLogId: () => LogId,
  migrations: readonly Migration[] = MIGRATIONS,
): number {
  const found = formatOf(database)
  if (found > migrations.length) {
    throw new PledgedError(
      'LOG_UNREADABLE',
      `the log ${database.name} has format ${found}, and this version of Pledged reads formats up to ${migrations.length}: use the version that wrote it, or a newer one`,
    )
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < found) continue
    database.transaction(() => {
      migration(database, drawLogId)
      database.pragma(`user_version = ${index + 1}`)
      writeMeta(database, { ...readMeta(database), format: index + 1 })
    })()
  }
  const { format } = readMeta(database)
  assert(formatOf(database) === migrations.length, 'every migration ran')
  if (format !== migrations.length) {
    throw new PledgedError(
      'LOG_DAMAGED',
      `its header says format ${migrations.length}, its meta row ${format}`,
    )
  }
  return found
}

export function formatOf(database: Database): number {
  const format = Number(database.pragma('user_version', { simple: true }))
  const id = Number(database.pragma('application_id', { simple: true }))
  if (format === 0) {
    const tables = Number(database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get())
    if (tables > 0) throw new PledgedError('LOG_DAMAGED', 'it is a database, but not a log')
  } else if (id !== APPLICATION_ID) {
    throw new PledgedError('LOG_DAMAGED', "it is another program's database")
  }
  return format
}

/**
 * Format 1. `position` counts without a gap; `chain` is the CRC-32 of the body, seeded with the chain before it;
 * the first is seeded with the log's id. The other columns are the body's, for the two indexes.
 */
function createLog(database: Database, drawLogId: () => LogId): void {
  database.pragma(`application_id = ${APPLICATION_ID}`)
  createMetaTable(database)
  database.exec(`
    CREATE TABLE records (
      position INTEGER PRIMARY KEY,
      epoch INTEGER,
      sequence INTEGER,
      request_key TEXT,
      body TEXT NOT NULL,
      chain INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX records_by_xid ON records (epoch, sequence) WHERE epoch IS NOT NULL;
    CREATE INDEX records_by_request ON records (request_key) WHERE request_key IS NOT NULL;
  `)
  const logId = drawLogId()
  const origin: Link = { position: 0, chain: crc32(logId) }
  const links = { anchor: origin, replay: origin, tail: origin }
  writeMeta(database, { format: 1, logId, mark: 'closed', epochNumber: 0, ...links })
}

/**
 * Format 2: there may be records of what operators did (acknowledgement, branch_forgotten, pause, audit). The tables
 * are those of format 1; a version that reads no more than that would take such a record for damage.
 */
function admitOperators(): void {}

/**
 * Format 3: ends that were told together are one record. `epoch` and `sequence` are the first's then, and
 * `through_sequence` is the last's; it is null in every other row.
 */
function admitGatheredEnds(database: Database): void {
  database.exec(`
    ALTER TABLE records ADD COLUMN through_sequence INTEGER;
    CREATE INDEX records_by_range ON records (epoch, through_sequence, sequence) WHERE through_sequence IS NOT NULL;
  `)
}
