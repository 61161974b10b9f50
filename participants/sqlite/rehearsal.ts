/**
 * The rehearsal of a branch: its statements are run in a transaction that is rolled back, and what they changed
 * is recorded as values. Running the statements again at the commit would be no pledge: random() and
 * datetime('now') differ, a deferred foreign key fails late.
 */
import { messageOf } from '../../src/sdk/participant/index.ts'
import type { Database, SqlValue } from '../shared/files/database.ts'
import { classify, sqliteCodeOf } from '../shared/files/sqlite-errors.ts'
import { Refusal } from '../shared/refusal.ts'
import type { Parameter, Statement, StatementWork } from '../shared/statement-work.ts'
import type { Catalog } from './catalog.ts'
import { quoteName } from './names.ts'
import type { Recording, RecordingDatabase } from './node-sqlite.ts'
import { writtenTablesOf } from './written-tables.ts'

export interface Rehearsed {
  /** Empty where nothing was changed. */
  readonly changeset: Uint8Array
  /** Names in lower case. */
  readonly writtenTables: ReadonlySet<string>
}

/** Inside a transaction with foreign keys on, which the caller rolls back. Throws Refusal for a no vote. */
export function rehearse(database: RecordingDatabase, catalog: Catalog, work: StatementWork): Rehearsed {
  const writtenTables = new Set<string>()
  const writtenBy = rememberingBySql((sql) => writtenTablesOf(database, catalog, sql))
  database.exec('SAVEPOINT rehearsal')
  const recording = database.record()
  try {
    for (const statement of work.statements) {
      for (const table of runStatement(database, statement, writtenBy)) writtenTables.add(table)
    }
    const changeset = changesetOf(recording)
    refuseDeferredViolations(database, catalog, writtenTables)
    return { changeset, writtenTables }
  } finally {
    recording.close()
  }
}

function runStatement(
  database: RecordingDatabase,
  statement: Statement,
  writtenBy: (sql: string) => ReadonlySet<string>,
): ReadonlySet<string> {
  const { place, sql, params, expectRows } = statement
  let written: ReadonlySet<string>
  let rows: number
  try {
    written = writtenBy(sql)
    database.exec('SAVEPOINT statement')
    rows = database.execute(sql, params.map(storable), { reads: written.size === 0 })
    // Fails where the statement has ended the transaction (R14).
    database.exec('RELEASE statement')
  } catch (error) {
    throw refusalOf(place, error)
  }
  if (expectRows !== undefined && rows !== expectRows) {
    throw new Refusal(`${place}: ${rows} rows where expect_rows is ${expectRows}`)
  }
  return written
}

/** Within one transaction, in which the schema stays as it is. */
function rememberingBySql<T>(find: (sql: string) => T): (sql: string) => T {
  const found = new Map<string, T>()
  return (sql) => {
    const result = found.get(sql) ?? find(sql)
    found.set(sql, result)
    return result
  }
}

/** Versions of SQLite differ in what they can record: generated columns came with one after 3.47. */
function changesetOf(recording: Recording): Uint8Array {
  try {
    return recording.changeset()
  } catch (error) {
    if (sqliteCodeOf(error) !== '') throw error
    throw new Refusal(`this version of SQLite can not record the changes (${messageOf(error)})`)
  }
}

/** What the statement itself is to blame for; an error of the disk or the file isn't, and goes through. */
function refusalOf(place: string, error: unknown): unknown {
  if (error instanceof Refusal) return new Refusal(`${place} ${error.message}`)
  if (classify(error).effect === 'unknown') return error
  return new Refusal(`${place}: ${messageOf(error)}`, { retryable: classify(error).retryable })
}

/**
 * SQLite looks at deferred foreign keys when it commits, which a rehearsal never does. Violations that were
 * there before (the file was written with foreign keys off) aren't this branch's.
 */
function refuseDeferredViolations(database: Database, catalog: Catalog, written: ReadonlySet<string>): void {
  const concerned = tablesWithDeferredKeys(catalog, written)
  const after = violationsOf(database, concerned)
  if (after.length === 0) return
  database.exec('ROLLBACK TO rehearsal')
  const before = violationsOf(database, concerned)
  for (const violation of after) {
    const known = before.indexOf(violation)
    if (known < 0) throw new Refusal(`a deferred foreign key fails: ${violation}`)
    before.splice(known, 1)
  }
}

/** Those written, and those whose foreign keys name one that is written. */
function tablesWithDeferredKeys(catalog: Catalog, written: ReadonlySet<string>): readonly string[] {
  const tables = [...catalog.tables.values()].filter(({ name, parents, sql }) => {
    const isConcerned =
      written.has(name.toLowerCase()) || parents.some((parent) => written.has(parent.toLowerCase()))
    return parents.length > 0 && isConcerned && /deferred/i.test(sql)
  })
  return tables.map(({ name }) => name)
}

function violationsOf(database: Database, tables: readonly string[]): string[] {
  return tables.flatMap((table) =>
    database
      .all(`PRAGMA main.foreign_key_check(${quoteName(table)})`)
      .map(
        (row) => `${table} row ${String(row['rowid'])} names a row that is not in ${String(row['parent'])}`,
      ),
  )
}

/** SQLite has no booleans. */
function storable(parameter: Parameter): SqlValue {
  return typeof parameter === 'boolean' ? BigInt(parameter) : parameter
}
