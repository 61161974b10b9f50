/** The log's main file as SQLite has it: every setting that durability rests on is set here and read back. */
import Database from 'better-sqlite3'
import { assert } from '../../base/assert.ts'
import { PledgedError } from '../../base/errors.ts'
import type { OpenStage } from '../log.ts'
import type { LogFiles } from './files.ts'

/** Faults on purpose, for the tests of the log alone. */
export interface SqliteLogFaults {
  /** The disk is full once the file has that many pages. */
  readonly pageCountMax?: number | undefined
  /** Commits that are not synced: what the order test must find out. */
  readonly synchronousNormal?: boolean | undefined
  /** The worker dies after that many batches, before it answers the last. */
  readonly batchesBeforeDeath?: number | undefined
  /** The process dies, as by `kill -9`, when the opening enters this stage. */
  readonly diesAtStage?: OpenStage | undefined
}

export function openDatabase(files: LogFiles, faults: SqliteLogFaults = {}): Database.Database {
  const database = new Database(files.main, { timeout: 0 })
  try {
    setPragmas(database, faults)
  } catch (error) {
    database.close()
    throw error
  }
  return database
}

function setPragmas(database: Database.Database, faults: SqliteLogFaults): void {
  // A second line behind the lock's file, which an operator could delete; it also spares the -shm file.
  database.pragma('locking_mode = EXCLUSIVE')
  setAndReadBack(database, 'journal_mode', 'WAL', 'wal')
  // A WAL database opens at NORMAL whatever it was before, and NORMAL loses decisions with the power (R7).
  if (faults.synchronousNormal === true) database.pragma('synchronous = NORMAL')
  else setAndReadBack(database, 'synchronous', 'FULL', 2)
  setAndReadBack(database, 'fullfsync', 'ON', 1)
  setAndReadBack(database, 'checkpoint_fullfsync', 'ON', 1)
  // SQLite keeps the errors of its automatic checkpoints to itself; ours poison the log (R6).
  setAndReadBack(database, 'wal_autocheckpoint', '0', 0)
  if (faults.pageCountMax !== undefined) database.pragma(`max_page_count = ${faults.pageCountMax}`)
}

/**
 * Copies the WAL into the main file. TRUNCATE also empties the WAL, PASSIVE leaves it standing. Throws unless
 * everything was copied.
 */
export function checkpoint(database: Database.Database, mode: 'PASSIVE' | 'TRUNCATE'): void {
  const [row] = database.pragma(`wal_checkpoint(${mode})`) as {
    busy: number
    log: number
    checkpointed: number
  }[]
  assert(row !== undefined, 'a checkpoint answers with a row')
  if (row.busy === 0 && row.log === row.checkpointed) return
  throw new PledgedError(
    'LOG_UNWRITABLE',
    `a checkpoint of ${database.name} was not complete: ${row.checkpointed} of ${row.log} frames, busy ${row.busy}`,
  )
}

function setAndReadBack(
  database: Database.Database,
  name: string,
  value: string,
  expected: string | number,
): void {
  database.pragma(`${name} = ${value}`)
  const readBack = database.pragma(name, { simple: true })
  if (readBack === expected) return
  throw new PledgedError(
    'LOG_UNREADABLE',
    `${database.name} doesn't take ${name} = ${value} (it says ${String(readBack)}), and a log without it loses decisions: put it on a local file system`,
  )
}
