/**
 * The application under test, a process of its own: workers that each consume batch after batch, at the same time as each other,
 * with branches on connections of the application's own pools. Every eighth batch fails of itself when its work is done. After an
 * unknown outcome it asks what became of the request, and goes on from the stored offset, as a consumer does.
 *
 * Arguments: ADDRESS LEDGER_URL STOCK_URL JOURNAL FIRST_WORKER WORKERS. Its parent says { type: 'stop' }, and it ends;
 * { type: 'signal', signal, first }: which one an armed crash point sends to this process, from then on, and which process is
 * killed just before. A worker that was told of a commit
 * says { type: 'progress', pid }.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { armCrashPoints } from '../../src/embedding/armed-crash-points.ts'
import {
  connect,
  OutcomeUnknownError,
  PledgedError,
  TransactionAbortedError,
} from '../../src/sdk/client/index.ts'
import { type Batch, consume, OwnError, type Pools, readOffset } from './batch.ts'
import { Journal, type Learned, type Told } from './journal.ts'

const [address = '', ledgerUrl = '', stockUrl = '', file = '', first = '0', count = '4'] =
  process.argv.slice(2)
const FAILS_OF_ITSELF = 8
const EVENTS_MAX = 3
const PAUSE_MS = 20
const TIMEOUT_MS = 10_000

interface OwnEnd {
  readonly signal: NodeJS.Signals
  readonly first?: number | undefined
}

let stopping = false
let ownEnd: OwnEnd = { signal: 'SIGKILL' }
process.on('message', (message: { readonly type: 'stop' } | ({ readonly type: 'signal' } & OwnEnd)) => {
  if (message.type === 'stop') stopping = true
  if (message.type === 'signal') ownEnd = message
})

const crashPoints = armCrashPoints(process.env, { kill })
const coordinator = connect({ address, timeoutMs: TIMEOUT_MS, crashPoints })
const pools = openPools()
const journal = new Journal(file)
/** Names the requests of this process: another may have died in the middle of the same number. */
const life = `${process.pid}-${Date.now()}`

await Promise.all(Array.from({ length: Number(count) }, (_, index) => work(Number(first) + index)))
await coordinator.close()
await Promise.all([pools.ledger.end(), pools.stock.end()])
process.channel?.unref()

function kill(pid: number): void {
  if (pid !== process.pid) {
    process.kill(pid, 'SIGKILL')
    return
  }
  if (ownEnd.first !== undefined) process.kill(ownEnd.first, 'SIGKILL')
  process.kill(pid, ownEnd.signal)
}

function openPools(): Pools {
  const ledger = new pg.Pool({ connectionString: ledgerUrl, connectionTimeoutMillis: 5_000 })
  // An idle connection whose server was killed: the pool replaces it.
  ledger.on('error', () => {})
  return { ledger, stock: mysql.createPool({ uri: stockUrl, connectTimeout: 5_000 }) }
}

async function work(worker: number): Promise<void> {
  for (let round = 1; !stopping; round += 1) {
    const from = await readOffset(pools, worker).catch(() => undefined)
    if (from === undefined) {
      await sleep(PAUSE_MS)
      continue
    }
    const request = `${life}/${worker}/${round}`
    const batch = { worker, from, events: 1 + (round % EVENTS_MAX) }
    const outcome = await run(request, batch, round % FAILS_OF_ITSELF === 0)
    if (outcome === 'committed') process.send?.({ type: 'progress', pid: process.pid })
    else if (outcome === 'unknown') await learn(request)
    else await sleep(PAUSE_MS)
  }
}

/** Workers by turns let an abort be tried again by the SDK, or don't. */
async function run(request: string, batch: Batch, failsOfItself: boolean): Promise<Told> {
  let latest = ''
  const tell = (outcome: Told, xid: string, why = ''): Told => {
    journal.write({ type: 'told', request, outcome, xid, why })
    return outcome
  }
  const own = new OwnError('the callback fails of itself')
  try {
    const { xid } = await coordinator.transaction(
      async (tx) => {
        latest = tx.xid
        journal.write({ type: 'ran', request, xid: tx.xid, events: batch.events })
        await consume(tx, pools, batch)
        if (failsOfItself) throw own
      },
      { requestId: request, retries: Math.floor(batch.worker / 2) % 2 === 0 ? 3 : 0 },
    )
    return tell('committed', xid)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    if (error instanceof OutcomeUnknownError) return tell('unknown', error.xid ?? '', why)
    if (error instanceof TransactionAbortedError) return tell('aborted', error.xid, why)
    return tell('failed', latest, why)
  }
}

async function learn(request: string): Promise<void> {
  for (;;) {
    const learned = await ask(request)
    if (learned !== undefined) {
      journal.write({ type: 'learned', request, ...learned })
      return
    }
    await sleep(PAUSE_MS)
  }
}

/** Undefined: not yet. */
async function ask(
  requestId: string,
): Promise<{ readonly outcome: Learned; readonly xid: string } | undefined> {
  try {
    const { outcome, xid } = await coordinator.get({ requestId })
    return outcome === 'committed' || outcome === 'aborted' ? { outcome, xid } : undefined
  } catch (error) {
    // What aborted is known by its request until the daemon is started again, and no longer.
    if (error instanceof PledgedError && error.code === 'REQUEST_NOT_FOUND')
      return { outcome: 'aborted', xid: '' }
    if (error instanceof PledgedError && error.status === 'UNAVAILABLE') return undefined
    throw error
  }
}
