/**
 * The basis of a pledge: the tables that its changes are for, as they were. SQLite passes over the changes for a
 * table that is gone or has other columns, and says that all is well; a trigger that came meanwhile would run.
 */
import { present } from '../../src/sdk/participant/index.ts'
import { BrokenPledge } from '../shared/files/resource.ts'
import type { Catalog } from './catalog.ts'

interface BasisTable {
  readonly name: string
  readonly columns: readonly string[]
  readonly key: readonly string[]
}

export function basisOf(catalog: Catalog, tables: ReadonlySet<string>): string {
  const basis = [...tables].map((table): BasisTable => {
    const { name, columns, keyColumns } = present(
      catalog.tables.get(table),
      'a written table is in the catalog',
    )
    return { name, columns, key: keyColumns }
  })
  return JSON.stringify(basis)
}

/** Throws BrokenPledge. Columns that were added at the end don't matter. */
export function refuseOtherBasis(catalog: Catalog, basis: string): void {
  for (const was of JSON.parse(basis) as readonly BasisTable[]) {
    const table = catalog.tables.get(was.name.toLowerCase())
    if (table?.type !== 'table')
      throw new BrokenPledge(`the table ${was.name} was dropped while a pledge stood: restore it`)
    const same =
      isSame(table.columns.slice(0, was.columns.length), was.columns) && isSame(table.keyColumns, was.key)
    if (!same)
      throw new BrokenPledge(`the columns of ${was.name} were changed while a pledge stood: restore them`)
    if (table.userTriggers.length > 0) {
      throw new BrokenPledge(
        `the trigger ${table.userTriggers.join(', ')} was put on ${was.name} while a pledge stood: drop it, and make it again afterwards`,
      )
    }
  }
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, index) => name === right[index])
}
