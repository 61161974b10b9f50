/**
 * The application under test, a process of its own: some of the workers, each with one transaction at a time. One in
 * eight is bound to abort, when the other branch may have pledged.
 *
 * Arguments: ADDRESS LEDGER_URL STOCK_URL JOURNAL FIRST_WORKER WORKERS. It reads positions past the daemon.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { connect } from '../../src/sdk/client/index.ts'
import { RecordingClient } from '../harness/recording-client.ts'
import { moveFrom, offsetsOf } from './work.ts'

const [address = '', ledgerUrl = '', stockUrl = '', journal = '', first = '0', count = '4'] =
  process.argv.slice(2)
const BOUND_TO_ABORT = 8
const PAUSE_MS = 50

let stopping = false
process.on('message', () => {
  stopping = true
})
// A test that was killed leaves nobody running.
process.on('disconnect', () => process.exit())

const coordinator = connect({ address, timeoutMs: 20_000 })
const client = new RecordingClient({ coordinator, journal, goesOn: () => !stopping })
/** Names the requests of this process: another may have died in the middle of the same number. */
const life = `${process.pid}-${Date.now()}`
await Promise.all(Array.from({ length: Number(count) }, (_, index) => work(Number(first) + index)))
await coordinator.close()
process.disconnect?.()

async function work(worker: number): Promise<void> {
  let position: number | undefined
  for (let round = 1; !stopping; round += 1) {
    position ??= await readPosition(worker)
    if (position === undefined) continue
    const requestId = `${life}/${worker}/${round}`
    if (round % BOUND_TO_ABORT === 0) {
      await client.commit(requestId, moveFrom(worker, position + 1_000_000))
      continue
    }
    const outcome = await client.commit(requestId, moveFrom(worker, position))
    // What is not known to have moved is read again; a position that is out of date votes no.
    position = outcome === 'committed' ? position + 1 : undefined
    if (outcome === 'committed') process.send?.({ type: 'progress', worker, position })
  }
}

/** Undefined while its database is away. */
async function readPosition(worker: number): Promise<number | undefined> {
  try {
    const read = offsetsOf(worker) === 'ledger' ? readLedger : readStock
    return Number(await read(`SELECT position FROM positions WHERE worker = ${worker}`))
  } catch {
    await sleep(PAUSE_MS)
    return undefined
  }
}

async function readLedger(sql: string): Promise<unknown> {
  const database = new pg.Client({ connectionString: ledgerUrl, connectionTimeoutMillis: 5_000 })
  database.on('error', () => {})
  try {
    await database.connect()
    const { rows } = await database.query<{ readonly position: string }>(sql)
    return rows[0]?.position
  } finally {
    await database.end()
  }
}

async function readStock(sql: string): Promise<unknown> {
  const database = await mysql.createConnection({ uri: stockUrl, connectTimeout: 5_000 })
  try {
    const [rows] = await database.query(sql)
    return Array.isArray(rows) ? (rows as { position?: number }[])[0]?.position : undefined
  } finally {
    database.destroy()
  }
}
