/** The offsets participant's driver: better-sqlite3. */
import SqliteDatabase, { type Statement } from 'better-sqlite3'
import type { Database, Row, SqlValue } from '../shared/files/database.ts'

export interface OpenOptions {
  readonly file: string
  readonly mustExist?: boolean | undefined
}

export function openBetterSqlite({ file, mustExist = false }: OpenOptions): Database {
  return new BetterSqlite(new SqliteDatabase(file, { fileMustExist: mustExist }))
}

class BetterSqlite implements Database {
  readonly #connection: SqliteDatabase.Database
  readonly #statements = new Map<string, Statement>()

  constructor(connection: SqliteDatabase.Database) {
    this.#connection = connection
  }

  exec(sql: string): void {
    this.#connection.exec(sql)
  }

  run(sql: string, ...params: readonly SqlValue[]): number {
    return this.#prepare(sql).run(...params).changes
  }

  get(sql: string, ...params: readonly SqlValue[]): Row | undefined {
    return this.#prepare(sql).get(...params) as Row | undefined
  }

  all(sql: string, ...params: readonly SqlValue[]): readonly Row[] {
    return this.#prepare(sql).all(...params) as Row[]
  }

  rollBack(): void {
    if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK')
  }

  close(): void {
    this.#statements.clear()
    this.#connection.close()
  }

  #prepare(sql: string): Statement {
    const kept = this.#statements.get(sql)
    if (kept !== undefined) return kept
    const statement = this.#connection.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}
