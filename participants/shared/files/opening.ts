/** R16: a database that doesn't sync can't pledge. What a file must be, checked at each opening. */
import { PledgedError } from '../../../src/sdk/participant/index.ts'
import { type Database, inTransaction, numberOf, textOf } from './database.ts'
import { explain } from './sqlite-errors.ts'
import { refuseChangedWal } from './wal-look.ts'

const SYNCHRONOUS_FULL = 2

/**
 * Opens a database and makes it durable. Throws CONFIGURATION with the sentence that mends what is wrong.
 * `kind` and `file` are for that sentence.
 */
export function openDurable<D extends Database>(
  options: { readonly kind: string; readonly file: string; readonly busyTimeoutMs: number },
  open: () => D,
): D {
  let database: D | undefined
  try {
    refuseChangedWal(options)
    database = open()
    database.exec(`PRAGMA busy_timeout = ${Math.trunc(options.busyTimeoutMs)}`)
    makeDurable(database)
    return database
  } catch (error) {
    database?.close()
    if (error instanceof PledgedError) throw error
    throw new PledgedError(
      'CONFIGURATION',
      `the ${options.kind} database ${options.file} can not be opened: ${explain(error)}`,
      { cause: error },
    )
  }
}

function makeDurable(database: Database): void {
  const mode = textOf(database.get('PRAGMA journal_mode = WAL'), 'journal_mode')
  if (mode !== 'wal') {
    throw new PledgedError(
      'CONFIGURATION',
      `the database stays in journal mode ${mode} and can not pledge: move it to a local file system that supports WAL`,
    )
  }
  // A WAL database that is opened again is at the build's default, often NORMAL, which loses what it committed last.
  database.exec('PRAGMA synchronous = FULL')
  // Where the system's fsync leaves data in the drive's cache (macOS), ask for the stronger one.
  database.exec('PRAGMA fullfsync = ON')
  database.exec('PRAGMA checkpoint_fullfsync = ON')
  verifyDurable(database)
  // A transaction whose sync failed is read back from the system's cache, and may be nowhere else: a later sync of the
  // WAL has nothing more to write. Copied into the main file it is synced there, before anybody is told of it.
  database.exec('PRAGMA wal_checkpoint(PASSIVE)')
}

/** Reads back what a pledge stands on. */
export function verifyDurable(database: Database): void {
  const synchronous = numberOf(database.get('PRAGMA synchronous'), 'synchronous')
  const mode = textOf(database.get('PRAGMA journal_mode'), 'journal_mode')
  if (synchronous >= SYNCHRONOUS_FULL && mode === 'wal') return
  throw new PledgedError(
    'CONFIGURATION',
    `the database is at journal_mode=${mode}, synchronous=${synchronous}, and can not pledge: it needs WAL and FULL`,
  )
}

/** Makes the tables in one transaction, so that a crash leaves all of them or none. */
export function createTables(database: Database, definitions: readonly string[]): void {
  inTransaction(database, () => {
    for (const definition of definitions) database.exec(definition)
  })
}
