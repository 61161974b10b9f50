/**
 * A commit whose answer is lost between the daemon and the application, with branches on the application's own connections:
 * the network goes after the commit has arrived, or before; and the daemon is back within the caller's time, or not. The client
 * reports what became of it, or that it can't know; it never calls unknown aborted, and rolls nothing back meanwhile (R1).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CrashPoint } from '../../src/base/crash-points.ts'
import {
  type Coordinator,
  connect,
  OutcomeUnknownError,
  type Transacted,
  TransactionAbortedError,
} from '../../src/sdk/client/index.ts'
import { CuttingProxy } from '../harness/cutting-proxy.ts'
import { disagreements, heldBranches } from '../real-databases/disagreements.ts'
import { DatabaseFleet } from '../real-databases/fleet.ts'
import { PARTICIPANTS, seedOf } from '../real-databases/work.ts'
import { consume, type Pools, readOffset } from './batch.ts'

/** With an offset in MariaDB and rows in PostgreSQL. */
const WORKER = 0
const EVENTS = 2
const SHORT_MS = 2_000
const WITHIN = { timeout: 30_000 }

const directory = mkdtempSync(join(tmpdir(), 'pledged-lost-answers-'))
let fleet: DatabaseFleet
let proxy: CuttingProxy
let coordinator: Coordinator
/** Past the proxy. */
let onlooker: Coordinator
let pools: Pools
let requests = 0

beforeAll(async () => {
  fleet = await DatabaseFleet.create({ directory })
  for (const name of PARTICIPANTS) await fleet.databases[name].query(seedOf(1))
  await fleet.start('inside')
  proxy = await CuttingProxy.start(fleet.address.slice('unix:'.length))
  coordinator = connect({ address: `127.0.0.1:${proxy.port}` })
  onlooker = connect({ address: fleet.address })
  const ledger = new pg.Pool({ connectionString: fleet.databases.ledger.url })
  ledger.on('error', () => {})
  pools = { ledger, stock: mysql.createPool({ uri: fleet.databases.stock.url }) }
}, 120_000)

afterAll(async () => {
  await coordinator?.close()
  await onlooker?.close()
  await Promise.all([pools?.ledger.end(), pools?.stock.end()])
  await proxy?.close()
  await fleet?.end()
  rmSync(directory, { recursive: true, force: true })
}, 120_000)

let offset = 0

beforeEach(async () => {
  offset = await readOffset(pools, WORKER)
  requests += 1
})

describe('the network goes', () => {
  it('after the commit has arrived: the client reports that it has committed', async () => {
    const requestId = nameOf(requests)
    const running = run(requestId, { onWorked: () => void proxy.muteNext(requestId) })
    await expect.poll(() => outcomeOf(requestId), WITHIN).toBe('committed')
    proxy.cutAll()
    const { outcome, xid, replayed, value } = await running
    expect({ outcome, replayed, value }).toEqual({ outcome: 'committed', replayed: false, value: 'done' })
    expect((await onlooker.get({ requestId })).xid).toBe(xid)
    await expectMoved(EVENTS)
  })

  it('before the commit arrives: the client reports that it has aborted', async () => {
    const requestId = nameOf(requests)
    const failed = await failureOf(run(requestId, { onWorked: () => cutCommit(requestId) }))
    expect(failed).toBeInstanceOf(TransactionAbortedError)
    expect(failed).toMatchObject({ code: 'TRANSACTION_ABORTED', requestId, attempt: 1, retryable: true })
    await expectMoved(0)
  })

  it('before the commit arrives, and there are tries left: the callback runs again, under another xid', async () => {
    const requestId = nameOf(requests)
    const xids: string[] = []
    const onWorked = (own: string): void => {
      if (xids.push(own) === 1) cutCommit(requestId)
    }
    const { attempt, xid } = await run(requestId, { retries: 2, onWorked })
    expect(attempt).toBe(2)
    expect(xids).toHaveLength(2)
    expect(xids[1]).toBe(xid)
    expect((await onlooker.get({ xid: xids[0] ?? '' })).outcome).toBe('aborted')
    await expectMoved(EVENTS)
  })
})

describe('the daemon dies, and is back', () => {
  it.each([
    { point: 'coordinator.append.durable', outcome: 'committed' },
    { point: 'coordinator.commit.received', outcome: 'aborted' },
  ] as const)('within the caller’s time, of $point: it is told $outcome', async ({ point, outcome }) => {
    const requestId = nameOf(requests)
    const daemon = fleet.process('daemon')
    await daemon.arm(point, { after: 1 })
    const ended = run(requestId).then(
      (committed) => committed.outcome,
      (error: unknown) => (error instanceof TransactionAbortedError ? 'aborted' : error),
    )
    await daemon.exited
    fleet.startDaemon()
    expect(await ended).toBe(outcome)
    await expectMoved(outcome === 'committed' ? EVENTS : 0)
  })

  it.each([
    { point: 'coordinator.append.durable', outcome: 'committed' },
    { point: 'coordinator.commit.received', outcome: 'aborted' },
  ] as const)('later, of $point: unknown, and the daemon ends what is left: $outcome', async (one) => {
    const { requestId, error } = await dieForLonger(one.point)
    expect(error).toBeInstanceOf(OutcomeUnknownError)
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', requestId, attempt: 1 })
    const { xid } = error as OutcomeUnknownError
    // Told unknown, it has left them to the daemon, as they were.
    const held = [`pledged/${xid}/ledger`, `pledged/${xid}/stock`]
    expect((await heldBranches(fleet.databases)).toSorted()).toEqual(held)
    fleet.startDaemon()
    await expect
      .poll(() => onlooker.get({ xid: xid ?? '' }).then((view) => view.outcome), WITHIN)
      .toBe(one.outcome)
    await expectMoved(one.outcome === 'committed' ? EVENTS : 0)
  })

  it('is asked for the same request again: what had committed is not run twice', async () => {
    const { requestId } = await dieForLonger('coordinator.append.durable')
    fleet.startDaemon()
    let runs = 0
    const again = await run(requestId, { timeoutMs: 30_000, onWorked: () => (runs += 1) })
    expect(again).toMatchObject({ outcome: 'committed', replayed: true, value: undefined })
    expect(runs).toBe(0)
    await expectMoved(EVENTS)
  })
})

interface RunOptions {
  readonly retries?: number
  readonly timeoutMs?: number
  /** At the end of the callback. */
  readonly onWorked?: (xid: string) => void
}

function run(requestId: string, options: RunOptions = {}): Promise<Transacted<'done'>> {
  const { onWorked, ...rest } = options
  return coordinator.transaction(
    async (tx) => {
      await consume(tx, pools, { worker: WORKER, from: offset, events: EVENTS })
      onWorked?.(tx.xid)
      return 'done' as const
    },
    { requestId, ...rest },
  )
}

/** When the work is done, only the commit is still to carry the name of its request. */
function cutCommit(requestId: string): void {
  void proxy.cutNext({ text: requestId, moment: 'before' })
}

async function dieForLonger(
  point: CrashPoint,
): Promise<{ readonly requestId: string; readonly error: unknown }> {
  const requestId = nameOf(requests)
  const daemon = fleet.process('daemon')
  await daemon.arm(point, { after: 1 })
  const error = await failureOf(run(requestId, { timeoutMs: SHORT_MS }))
  await daemon.exited
  return { requestId, error }
}

function nameOf(request: number): string {
  return `lost-answer-${process.pid}-${request}`
}

async function failureOf(running: Promise<unknown>): Promise<unknown> {
  try {
    return await running.then(() => 'it has committed')
  } catch (error) {
    return error
  }
}

async function outcomeOf(requestId: string): Promise<string> {
  return onlooker.get({ requestId }).then(
    ({ outcome }) => outcome,
    () => 'none',
  )
}

/** By so many, on both sides; and nothing is left. */
async function expectMoved(events: number): Promise<void> {
  await expect.poll(() => heldBranches(fleet.databases), WITHIN).toEqual([])
  expect(await disagreements(fleet.databases, 1)).toEqual([])
  expect(await readOffset(pools, WORKER)).toBe(offset + events)
  expect((await fleet.status())?.heuristics).toBe(0)
}
