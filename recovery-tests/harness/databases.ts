/** The oracle: rows that must agree, counted in the databases themselves. */
import { DatabaseSync } from 'node:sqlite'
import type { FileStores } from '../../src/demo/file-stores.ts'
import { GROUP, TOPIC } from '../../src/demo/names.ts'

/** Where sink and offsets disagree, and what is still prepared; empty when all is well. */
export function disagreements(stores: FileStores, workers: number): string[] {
  const found: string[] = []
  for (let partition = 0; partition < workers; partition += 1) {
    const { rows, distinct, last } = countSink(stores.sinkFile, partition)
    const offset = readPosition(stores.offsetsFile, partition)
    if (rows !== offset || distinct !== offset || last !== offset - 1) {
      found.push(
        `worker ${partition}: offset ${offset}, sink ${rows} rows, ${distinct} distinct, last ${last}`,
      )
    }
  }
  for (const file of [stores.sinkFile, stores.offsetsFile]) {
    const held = Number(query(file, 'SELECT count(*) AS n FROM pledged_in_doubt')['n'])
    if (held > 0) found.push(`${held} prepared branches are left in ${file}`)
  }
  return found
}

function countSink(file: string, partition: number): { rows: number; distinct: number; last: number } {
  const counted = query(
    file,
    `SELECT count(*) AS r, count(DISTINCT event) AS d, coalesce(max(event), -1) AS l
     FROM events WHERE payload = '${partition}'`,
  )
  return { rows: Number(counted['r']), distinct: Number(counted['d']), last: Number(counted['l']) }
}

function readPosition(file: string, partition: number): number {
  const where = `group_name = '${GROUP}' AND topic = '${TOPIC}' AND partition = ${partition}`
  return Number(query(file, `SELECT coalesce(max(position), 0) AS p FROM offsets WHERE ${where}`)['p'])
}

function query(file: string, sql: string): Record<string, unknown> {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 10_000 })
  try {
    return database.prepare(sql).get() as Record<string, unknown>
  } finally {
    database.close()
  }
}
