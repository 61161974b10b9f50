/**
 * Which tables a statement writes, its foreign keys' actions and a view's triggers included: read from the
 * program that SQLite makes of it. A session records those of them that are as it needs them, and passes over
 * the others in silence, so work that writes such a table is refused.
 */
import { numberOf, type Row, textOf } from '../shared/files/database.ts'
import { Refusal } from '../shared/refusal.ts'
import type { Catalog, CatalogTable } from './catalog.ts'
import { isOwnName } from './names.ts'
import type { RecordingDatabase } from './node-sqlite.ts'

const MAIN_DATABASE = 0
/** The root page of OpenWrite is in a register: only a statement that makes a table or an index does so. */
const P2_IS_REGISTER = 0x10
const SEQUENCE = 'sqlite_sequence'

/** Programs with these change the schema or end the transaction. The first keyword rules them out; look again. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'AutoCommit',
  'Savepoint',
  'CreateBtree',
  'Destroy',
  'ParseSchema',
  'SetCookie',
  'Vacuum',
  'JournalMode',
])

/** In lower case. Throws Refusal where the statement can't be part of a branch. */
export function writtenTablesOf(
  database: RecordingDatabase,
  catalog: Catalog,
  sql: string,
): ReadonlySet<string> {
  const written = new Set<string>()
  for (const row of database.explain(sql)) {
    const table = writtenBy(row, catalog)
    if (table !== undefined) written.add(table)
  }
  for (const name of written) {
    if (name === SEQUENCE) refuseBareSequence(written, catalog)
    else refuseUnrecordable(name, catalog.tables.get(name))
  }
  // It follows the AUTOINCREMENT table's rows by itself, when they are applied.
  written.delete(SEQUENCE)
  return written
}

function writtenBy(row: Row, catalog: Catalog): string | undefined {
  const opcode = textOf(row, 'opcode')
  if (FORBIDDEN.has(opcode))
    throw new Refusal('changes the schema or ends its transaction, which a branch may not')
  if (opcode === 'VUpdate') throw new Refusal('writes a virtual table, whose changes can not be recorded')
  if (opcode === 'OpenWrite') {
    if ((numberOf(row, 'p5') & P2_IS_REGISTER) !== 0)
      throw new Refusal('changes the schema, which a branch may not')
    return ownerOf(catalog, { rootPage: numberOf(row, 'p2'), database: numberOf(row, 'p3') })
  }
  if (opcode === 'Clear')
    return ownerOf(catalog, { rootPage: numberOf(row, 'p1'), database: numberOf(row, 'p2') })
  return undefined
}

function ownerOf(catalog: Catalog, place: { readonly rootPage: number; readonly database: number }): string {
  if (place.database !== MAIN_DATABASE) throw new Refusal('writes outside the main database')
  const table = catalog.tableByRootPage.get(place.rootPage)
  if (table === undefined) throw new Refusal('changes the schema, which a branch may not')
  return table
}

function refuseUnrecordable(name: string, table: CatalogTable | undefined): void {
  if (table === undefined || isOwnName(name))
    throw new Refusal(`writes ${name}, which is not the user's to write`)
  if (table.type !== 'table') throw new Refusal(`writes ${table.name}, which belongs to a virtual table`)
  if (table.keyColumns.length === 0) {
    throw new Refusal(
      `writes ${table.name}, which has no PRIMARY KEY, so its changes can not be recorded: give it one`,
    )
  }
  if (table.userTriggers.length > 0) {
    throw new Refusal(
      `writes ${table.name}, which has the trigger ${table.userTriggers.join(', ')}: it would run a second time at the commit`,
    )
  }
}

function refuseBareSequence(written: ReadonlySet<string>, catalog: Catalog): void {
  const follows = [...written].some((name) => /\bautoincrement\b/i.test(catalog.tables.get(name)?.sql ?? ''))
  if (!follows) throw new Refusal('writes sqlite_sequence, which has no PRIMARY KEY')
}
