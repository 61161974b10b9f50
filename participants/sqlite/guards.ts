/**
 * Guards: triggers that refuse every writer of the user's tables while a pledge stands, whatever program and
 * library it uses. Between the vote and the commit nothing that the recorded changes rely on can move.
 *
 * Key guards: temporary triggers, of this connection alone, on tables whose primary key may be NULL. A session
 * passes over such rows in silence, so work that touches one has to fail.
 */
import type { Database } from '../shared/files/database.ts'
import { type Catalog, type CatalogTable, userTablesOf } from './catalog.ts'
import { guardName, quoteName } from './names.ts'

const OPERATIONS = ['INSERT', 'UPDATE', 'DELETE'] as const
type Operation = (typeof OPERATIONS)[number]

/** Inside a transaction. */
export function installGuards(database: Database, catalog: Catalog): void {
  const expected = new Map(
    userTablesOf(catalog).flatMap((table) =>
      OPERATIONS.map((operation) => [guardName(operation, table.name), guardOf(operation, table)] as const),
    ),
  )
  // A renamed table takes its triggers along, under their old names.
  for (const [name, sql] of catalog.guards) {
    if (expected.get(name) !== sql) database.exec(`DROP TRIGGER main.${quoteName(name)}`)
  }
  for (const [name, sql] of expected) {
    if (catalog.guards.get(name) !== sql) database.exec(sql)
  }
}

/** Inside a transaction. */
export function installKeyGuards(database: Database, catalog: Catalog): void {
  for (const row of database.all("SELECT name FROM temp.sqlite_schema WHERE type = 'trigger'")) {
    database.exec(`DROP TRIGGER temp.${quoteName(String(row['name']))}`)
  }
  for (const table of userTablesOf(catalog)) {
    if (!table.keyMayBeNull) continue
    for (const operation of OPERATIONS) database.exec(keyGuardOf(operation, table))
  }
}

/** As SQLite keeps it in its schema, letter by letter. */
function guardOf(operation: Operation, table: CatalogTable): string {
  const sentence =
    'pledged: a transaction is in doubt here (SELECT xid FROM pledged_in_doubt), and until it is decided nothing else may be written'
  return (
    `CREATE TRIGGER ${quoteName(guardName(operation, table.name))} BEFORE ${operation} ON ${quoteName(table.name)} ` +
    `WHEN EXISTS (SELECT 1 FROM pledged_in_doubt) BEGIN SELECT RAISE(ABORT, '${sentence}'); END`
  )
}

function keyGuardOf(operation: Operation, table: CatalogTable): string {
  const versions = { INSERT: ['NEW'], UPDATE: ['OLD', 'NEW'], DELETE: ['OLD'] }[operation]
  const isNull = versions.flatMap((version) =>
    table.keyColumns.map((column) => `${version}.${quoteName(column)} IS NULL`),
  )
  const sentence = `a row of ${table.name} has NULL in its primary key, so its changes can not be recorded`
  return (
    `CREATE TEMP TRIGGER ${quoteName(guardName(`key_${operation}`, table.name))} ` +
    `BEFORE ${operation} ON main.${quoteName(table.name)} WHEN ${isNull.join(' OR ')} ` +
    `BEGIN SELECT RAISE(ABORT, '${sentence.replaceAll("'", "''")}'); END`
  )
}
