/** The proof: counted in the databases themselves, after everybody has ended. */
import { DatabaseSync } from 'node:sqlite'
import type { WindowCounts } from './kill-plan.ts'

export interface Counted {
  readonly events: number
  readonly sinkRows: number
  readonly distinct: number
  readonly offset: number
}

export interface Proof extends Counted {
  /** Branches that are still prepared, by the databases themselves; that nothing is in doubt to the daemon was seen before. */
  readonly inDoubt: number
  readonly kills: number
  readonly windows: WindowCounts
}

export function countSink(file: string): { rows: number; distinct: number } {
  const counted = queryOne(
    file,
    'SELECT count(*) AS rows, count(DISTINCT event) AS distinctEvents FROM events',
  )
  return { rows: Number(counted['rows']), distinct: Number(counted['distinctEvents']) }
}

/** Rows of a table of the database's own. */
export function queryOne(file: string, sql: string): Record<string, unknown> {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    return database.prepare(sql).get() as Record<string, unknown>
  } finally {
    database.close()
  }
}

/** Events of which the sink has no row, and rows too many. */
export function discrepancies({ events, sinkRows, distinct }: Counted): {
  missing: number
  duplicates: number
} {
  return { missing: events - distinct, duplicates: sinkRows - distinct }
}

export function holds(proof: Proof): boolean {
  const { missing, duplicates } = discrepancies(proof)
  return missing === 0 && duplicates === 0 && proof.offset === proof.events && proof.inDoubt === 0
}

export function proofAsJson(proof: Proof): Record<string, unknown> {
  return {
    events: proof.events,
    sink_rows: proof.sinkRows,
    distinct: proof.distinct,
    offset: proof.offset,
    ...discrepancies(proof),
    in_doubt: proof.inDoubt,
    kills: proof.kills,
    windows: proof.windows.toJSON(),
  }
}

export function proofAsText(proof: Proof): string {
  const { missing, duplicates } = discrepancies(proof)
  const number = (value: number) => value.toLocaleString('en-US')
  return (
    `sink ${number(proof.sinkRows)} rows, ${number(proof.distinct)} distinct; offset ${number(proof.offset)}; ` +
    `missing ${number(missing)}, duplicate ${number(duplicates)}; in doubt ${proof.inDoubt}`
  )
}
