/** The sqlite participant's driver: node:sqlite, because it records changes (sessions) and applies them. */
import type { DatabaseSync, Session, StatementSync } from 'node:sqlite'
import type { Database, Row, SqlValue } from '../shared/files/database.ts'

const sqlite = loadQuietly()

/** A recording of the changes that are made from its creation on. */
export interface Recording {
  changeset(): Uint8Array
  close(): void
}

export interface RecordingDatabase extends Database {
  /** Runs a statement to its end: the number of rows that it changed, or, where it only reads, returned. */
  execute(sql: string, params: readonly SqlValue[], options: { readonly reads: boolean }): number
  /** The statement's program, for statements of any text. */
  explain(sql: string): readonly Row[]
  record(): Recording
  /** Undefined: applied. Else the conflict that it met, by SQLite's name; what was applied is then undone. */
  apply(changeset: Uint8Array): string | undefined
}

export function openNodeSqlite(file: string): RecordingDatabase {
  // Foreign keys are switched on where work is run, and off where recorded changes are applied.
  return new NodeSqlite(new sqlite.DatabaseSync(file, { enableForeignKeyConstraints: false }))
}

const USER_STATEMENTS_MAX = 100

class NodeSqlite implements RecordingDatabase {
  readonly #connection: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  readonly #userStatements = new Map<string, StatementSync>()

  constructor(connection: DatabaseSync) {
    this.#connection = connection
  }

  exec(sql: string): void {
    this.#connection.exec(sql)
  }

  run(sql: string, ...params: readonly SqlValue[]): number {
    return Number(this.#prepare(sql).run(...params).changes)
  }

  get(sql: string, ...params: readonly SqlValue[]): Row | undefined {
    return this.#prepare(sql).get(...params)
  }

  all(sql: string, ...params: readonly SqlValue[]): readonly Row[] {
    return this.#prepare(sql).all(...params)
  }

  rollBack(): void {
    try {
      this.#connection.exec('ROLLBACK')
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('no transaction is active'))) throw error
    }
  }

  close(): void {
    this.#statements.clear()
    this.#userStatements.clear()
    this.#connection.close()
  }

  execute(sql: string, params: readonly SqlValue[], options: { readonly reads: boolean }): number {
    // A batch job's work is one statement, many times over.
    if (this.#userStatements.size >= USER_STATEMENTS_MAX) this.#userStatements.clear()
    const statement = this.#prepare(sql, this.#userStatements)
    if (!options.reads) {
      statement.run(...params)
      return Number(this.get('SELECT changes() AS changed')?.['changed'])
    }
    // A 64-bit integer in a row that nobody looks at must not be an error.
    statement.setReadBigInts(true)
    return countOf(statement.iterate(...params))
  }

  explain(sql: string): readonly Row[] {
    return this.#connection.prepare(`EXPLAIN ${sql}`).all()
  }

  record(): Recording {
    const session: Session = this.#connection.createSession()
    return { changeset: () => session.changeset(), close: () => session.close() }
  }

  apply(changeset: Uint8Array): string | undefined {
    let conflict: string | undefined
    const applied = this.#connection.applyChangeset(changeset, {
      onConflict: (kind) => {
        conflict = CONFLICTS[kind] ?? `conflict ${kind}`
        return sqlite.constants.SQLITE_CHANGESET_ABORT
      },
    })
    return applied ? undefined : (conflict ?? 'aborted')
  }

  /** SQLite compiles a kept statement anew when the schema, or a pragma that matters to it, has changed. */
  #prepare(sql: string, kept = this.#statements): StatementSync {
    const statement = kept.get(sql) ?? this.#connection.prepare(sql)
    kept.set(sql, statement)
    return statement
  }
}

function countOf(rows: Iterator<unknown>): number {
  let count = 0
  while (rows.next().done !== true) count += 1
  return count
}

/** https://www.sqlite.org/session/c_changeset_conflict.html */
const CONFLICTS: Readonly<Record<number, string>> = {
  1: 'a row has other values than it had',
  2: 'a row is gone',
  3: 'a row with the same primary key is there already',
  4: 'a constraint fails',
  5: 'a foreign key fails',
}

/** Some versions of Node warn, once a process, that node:sqlite is experimental; it isn't our user's to act upon. */
function loadQuietly(): typeof import('node:sqlite') {
  const emitWarning = process.emitWarning.bind(process)
  process.emitWarning = (warning: string | Error): void => {
    if (!String(warning).includes('SQLite is an experimental feature')) emitWarning(warning)
  }
  try {
    return process.getBuiltinModule('node:sqlite')
  } finally {
    process.emitWarning = emitWarning
  }
}
