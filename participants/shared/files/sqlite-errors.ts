/**
 * SQLite's result codes (https://www.sqlite.org/rescode.html), by what they say of the operation that met them.
 *
 * not_done: SQLite has rolled back, or never began. unknown: the file, or this connection's view of it, may
 * disagree with what was asked: SQLite can bring back, at the next opening, a row whose COMMIT failed. The
 * connection is then closed, and what is true is read from the file by a new one.
 *
 * To the coordinator both are "no" from a prepare (a row that comes back is found by its scan and aborted), and
 * "unknown, ask again" from a commit or an abort: an operation that worked is never told from here.
 */
import { messageOf } from '../../../src/sdk/participant/index.ts'

export interface SqliteErrorKind {
  readonly effect: 'not_done' | 'unknown'
  /** The same work may succeed later, unchanged. */
  readonly retryable: boolean
  /** For a person: what it means and what to do. Empty where SQLite's own text says it all. */
  readonly advice: string
}

export const SQLITE_ERRORS: Readonly<Record<string, SqliteErrorKind>> = {
  SQLITE_BUSY: notDone(true, 'another program holds the write lock of the database'),
  SQLITE_LOCKED: notDone(true, 'another statement holds a table of the database'),
  SQLITE_FULL: notDone(true, 'the disk, or the database at its page limit, is full: make room'),
  SQLITE_NOMEM: notDone(true, 'there is no memory left'),
  SQLITE_CANTOPEN: notDone(
    true,
    'the database can not be opened: see that its directory exists and is writable',
  ),
  SQLITE_PROTOCOL: notDone(true, 'the locks of the database are contended: is it on a network file system?'),
  SQLITE_SCHEMA: notDone(true, 'the schema changed meanwhile'),
  SQLITE_INTERRUPT: notDone(true, ''),
  SQLITE_ABORT: notDone(true, ''),
  SQLITE_READONLY: notDone(false, 'the database can not be written: see to its permissions'),
  SQLITE_PERM: notDone(false, 'the database can not be written: see to its permissions'),
  SQLITE_AUTH: notDone(false, ''),
  SQLITE_CONSTRAINT: notDone(false, ''),
  SQLITE_ERROR: notDone(false, ''),
  SQLITE_MISMATCH: notDone(false, ''),
  SQLITE_TOOBIG: notDone(false, ''),
  SQLITE_RANGE: notDone(false, ''),
  SQLITE_MISUSE: notDone(false, ''),
  SQLITE_NOTADB: unknown('the file is not a SQLite database, or is damaged: restore it'),
  SQLITE_CORRUPT: unknown('the database is damaged: restore it'),
  SQLITE_IOERR: unknown('the disk failed to read or write: see the system log'),
}

/** Of what isn't SQLite's, or is a code that is not on the list: nothing may be concluded. */
const OTHER = unknown('')

export function classify(error: unknown): SqliteErrorKind {
  return SQLITE_ERRORS[sqliteCodeOf(error)] ?? OTHER
}

/** A sentence for the vote or the result. */
export function explain(error: unknown): string {
  const { advice } = classify(error)
  return advice === '' ? messageOf(error) : `${advice} (${messageOf(error)})`
}

/** The primary result code by name, or the empty string. */
export function sqliteCodeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const { code, errcode } = error as Error & { code?: unknown; errcode?: unknown }
  // node:sqlite gives the extended number, whose low byte is the primary code.
  if (typeof errcode === 'number') return PRIMARY_CODES[errcode & 0xff] ?? ''
  // better-sqlite3 gives the extended name: SQLITE_IOERR_FSYNC.
  if (typeof code === 'string' && code.startsWith('SQLITE_')) return code.split('_').slice(0, 2).join('_')
  return ''
}

const PRIMARY_CODES: Readonly<Record<number, string>> = {
  1: 'SQLITE_ERROR',
  2: 'SQLITE_INTERNAL',
  3: 'SQLITE_PERM',
  4: 'SQLITE_ABORT',
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  7: 'SQLITE_NOMEM',
  8: 'SQLITE_READONLY',
  9: 'SQLITE_INTERRUPT',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  15: 'SQLITE_PROTOCOL',
  17: 'SQLITE_SCHEMA',
  18: 'SQLITE_TOOBIG',
  19: 'SQLITE_CONSTRAINT',
  20: 'SQLITE_MISMATCH',
  21: 'SQLITE_MISUSE',
  23: 'SQLITE_AUTH',
  25: 'SQLITE_RANGE',
  26: 'SQLITE_NOTADB',
}

function notDone(retryable: boolean, advice: string): SqliteErrorKind {
  return { effect: 'not_done', retryable, advice }
}

function unknown(advice: string): SqliteErrorKind {
  return { effect: 'unknown', retryable: true, advice }
}
