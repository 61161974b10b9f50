/** The oracle: rows that must agree, counted in the two databases themselves; and what they hold prepared. */
import type { Row, TestDatabase } from '../harness/test-database.ts'
import { offsetsOf, PARTICIPANTS, type ParticipantName, sinkOf } from './work.ts'

type Databases = Readonly<Record<ParticipantName, TestDatabase>>

const COUNT =
  'SELECT worker, count(*) AS n, count(DISTINCT event) AS d, max(event) AS l FROM events GROUP BY worker'

/** Empty when all is well. */
export async function disagreements(databases: Databases, workers: number): Promise<string[]> {
  const sinks = { ledger: await databases.ledger.query(COUNT), stock: await databases.stock.query(COUNT) }
  const positions = {
    ledger: await databases.ledger.query('SELECT worker, position FROM positions'),
    stock: await databases.stock.query('SELECT worker, position FROM positions'),
  }
  const found: string[] = []
  for (let worker = 0; worker < workers; worker += 1) {
    const counted = ofWorker(sinks[sinkOf(worker)], worker)
    const position = Number(ofWorker(positions[offsetsOf(worker)], worker)?.['position'])
    const [rows, distinct, last] = ['n', 'd', 'l'].map((column) => Number(counted?.[column] ?? 0))
    const ends = position === 0 ? rows === 0 : last === position - 1
    if (rows !== position || distinct !== position || !ends) {
      found.push(
        `worker ${worker}: position ${position}, sink ${rows} rows, ${distinct} distinct, last ${last}`,
      )
    }
  }
  return found
}

/** What is prepared under our names in either server. */
export async function heldBranches(databases: Databases): Promise<string[]> {
  const held = await Promise.all(PARTICIPANTS.map((name) => databases[name].prepared()))
  return held.flat()
}

function ofWorker(rows: readonly Row[], worker: number): Row | undefined {
  return rows.find((row) => Number(row['worker']) === worker)
}
