/**
 * What the SQLite participants share: the pledge tables (in doubt, witnesses, the resource's id), group commit,
 * wait-die, and the reading of JSON work. `createPledgeParticipant` makes a whole participant of a resource that
 * can say what its branch does, apply it, and drop it.
 *
 * This file is the port to a SQLite library. There are two drivers, because a process may open a file with one
 * library only: closing a file drops the POSIX locks that another library holds on it (R8).
 */

export type SqlValue = null | number | bigint | string | Uint8Array
export type Row = Readonly<Record<string, unknown>>

export interface Database {
  exec(sql: string): void
  /** The number of rows changed. Statements of `run`, `get` and `all` are kept prepared: only fixed texts here. */
  run(sql: string, ...params: readonly SqlValue[]): number
  get(sql: string, ...params: readonly SqlValue[]): Row | undefined
  all(sql: string, ...params: readonly SqlValue[]): readonly Row[]
  /** Does nothing where no transaction is open: SQLite ends one by itself on a full disk or an I/O error. */
  rollBack(): void
  close(): void
}

/**
 * Runs `work` in a transaction that holds the write lock from its first moment, so that nothing it has read
 * can change before it commits, and so that it can't fail half-way for a lock.
 */
export function inTransaction<T>(database: Database, work: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    database.rollBack()
    throw error
  }
}

export function textOf(row: Row | undefined, column: string): string {
  const value = row?.[column]
  if (typeof value !== 'string') throw new TypeError(`column ${column} holds no text`)
  return value
}

export function numberOf(row: Row | undefined, column: string): number {
  const value = row?.[column]
  if (typeof value !== 'number') throw new TypeError(`column ${column} holds no number`)
  return value
}

export function bytesOf(row: Row | undefined, column: string): Uint8Array {
  const value = row?.[column]
  if (!(value instanceof Uint8Array)) throw new TypeError(`column ${column} holds no blob`)
  return value
}
