/**
 * What the participant has to know of the user's tables: which a statement writes, and whether a session records
 * all that happens to them. Read at each change of the schema.
 */
import { type Database, numberOf, textOf } from '../shared/files/database.ts'
import { isGuard, isOwnName } from './names.ts'

export interface CatalogTable {
  readonly name: string
  /** As `PRAGMA table_list` has it: a shadow table belongs to a virtual one. */
  readonly type: 'table' | 'virtual' | 'shadow' | 'view'
  readonly sql: string
  readonly columns: readonly string[]
  /** Empty: the table has no PRIMARY KEY. */
  readonly keyColumns: readonly string[]
  /** SQLite lets a NULL into a primary key that isn't the rowid, unless told NOT NULL. */
  readonly keyMayBeNull: boolean
  readonly userTriggers: readonly string[]
  /** Tables that this one's foreign keys name. */
  readonly parents: readonly string[]
}

export interface Catalog {
  readonly schemaVersion: number
  /** By name in lower case; SQLite's names are case-insensitive in ASCII. */
  readonly tables: ReadonlyMap<string, CatalogTable>
  /** The table that owns each B-tree of the file. */
  readonly tableByRootPage: ReadonlyMap<number, string>
  readonly guards: ReadonlyMap<string, string>
}

export function schemaVersionOf(database: Database): number {
  return numberOf(database.get('PRAGMA main.schema_version'), 'schema_version')
}

/** Inside a transaction: version and content belong together. */
export function readCatalog(database: Database): Catalog {
  const schema = database.all('SELECT type, name, tbl_name, rootpage, sql FROM main.sqlite_schema')
  const triggers = schema.filter((row) => row['type'] === 'trigger')
  const tableByRootPage = new Map<number, string>()
  for (const row of schema) {
    if (typeof row['rootpage'] === 'number' && row['rootpage'] > 0) {
      tableByRootPage.set(row['rootpage'], lower(textOf(row, 'tbl_name')))
    }
  }
  const guards = triggers.filter((row) => isGuard(textOf(row, 'name')))
  const userTriggers = triggers.filter((row) => !isGuard(textOf(row, 'name')))
  return {
    schemaVersion: schemaVersionOf(database),
    tables: readTables(database, groupNames(userTriggers, 'tbl_name', 'name')),
    tableByRootPage,
    guards: new Map(guards.map((row) => [textOf(row, 'name'), textOf(row, 'sql')])),
  }
}

/** The user's own tables: those that guards watch and branches may write. */
export function userTablesOf(catalog: Catalog): readonly CatalogTable[] {
  return [...catalog.tables.values()].filter((table) => table.type === 'table' && !isOwnName(table.name))
}

function readTables(
  database: Database,
  userTriggers: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, CatalogTable> {
  const listed = database.all(
    `SELECT t.name AS name, t.type AS type, coalesce(s.sql, '') AS sql
       FROM pragma_table_list AS t LEFT JOIN main.sqlite_schema AS s ON s.name = t.name AND s.type IN ('table', 'view')
      WHERE t.schema = 'main'`,
  )
  const columns = readColumns(database)
  const parents = groupNames(
    database.all(
      `SELECT t.name AS child, f."table" AS parent
         FROM pragma_table_list AS t JOIN pragma_foreign_key_list(t.name, 'main') AS f
        WHERE t.schema = 'main' AND t.type = 'table'`,
    ),
    'child',
    'parent',
  )
  const tables = listed.map((row): CatalogTable => {
    const name = textOf(row, 'name')
    const own = columns.get(lower(name)) ?? { columns: [], keyColumns: [], keyMayBeNull: false }
    return {
      name,
      type: textOf(row, 'type') as CatalogTable['type'],
      sql: textOf(row, 'sql'),
      ...own,
      userTriggers: userTriggers.get(lower(name)) ?? [],
      parents: parents.get(lower(name)) ?? [],
    }
  })
  return new Map(tables.map((table) => [lower(table.name), table]))
}

type Columns = Pick<CatalogTable, 'columns' | 'keyColumns' | 'keyMayBeNull'>

function readColumns(database: Database): ReadonlyMap<string, Columns> {
  const rows = database.all(
    `SELECT t.name AS table_name, t.wr AS without_rowid, c.name AS name, c.pk AS pk, c."notnull" AS not_null,
            EXISTS (SELECT 1 FROM pragma_index_list(t.name, 'main') WHERE origin = 'pk') AS has_key_index
       FROM pragma_table_list AS t JOIN pragma_table_xinfo(t.name, 'main') AS c
      WHERE t.schema = 'main' AND t.type = 'table'
      ORDER BY t.name, c.cid`,
  )
  const byTable = new Map<string, Columns>()
  for (const row of rows) {
    const table = lower(textOf(row, 'table_name'))
    const so = byTable.get(table) ?? { columns: [], keyColumns: [], keyMayBeNull: false }
    const isKey = numberOf(row, 'pk') > 0
    // A key without an index of its own is the rowid, which is never NULL.
    const mayBeNull =
      isKey && row['not_null'] === 0 && row['without_rowid'] === 0 && numberOf(row, 'has_key_index') === 1
    const name = textOf(row, 'name')
    byTable.set(table, {
      columns: [...so.columns, name],
      keyColumns: isKey ? [...so.keyColumns, name] : so.keyColumns,
      keyMayBeNull: so.keyMayBeNull || mayBeNull,
    })
  }
  return byTable
}

function groupNames(
  rows: readonly Readonly<Record<string, unknown>>[],
  by: string,
  column: string,
): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>()
  for (const row of rows) {
    const key = lower(textOf(row, by))
    const names = groups.get(key) ?? []
    names.push(textOf(row, column))
    groups.set(key, names)
  }
  return groups
}

function lower(name: string): string {
  return name.toLowerCase()
}
