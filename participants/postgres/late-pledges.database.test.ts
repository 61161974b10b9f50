/**
 * Pledges that are made when nobody waits for them any more: the client is gone while the server is at it. Where the
 * server names a standby that isn't there, a session at synchronous_commit = on stands still when it has made its
 * transaction durable and has not told anybody; where a deferred trigger waits for a lock, it does so before.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type DatabaseServer, startPostgres } from '../../src/demo/servers/index.ts'
import type { Participant, Xid } from '../../src/sdk/participant/index.ts'
import { freshLog } from '../testing/servers/fresh-log.ts'
import { consoleAt, LEDGER, openLedger, prepareSql, psql } from '../testing/servers/postgres.ts'

let server: DatabaseServer
let url: string

beforeAll(async () => {
  server = await startPostgres({
    settings: { synchronous_standby_names: 'nobody', synchronous_commit: 'local' },
  })
  url = await server.createDatabase('late')
  await psql(
    url,
    'CREATE TABLE t (n int)',
    'CREATE FUNCTION wait_at_the_end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$',
    'CREATE TABLE slow (n int)',
    `CREATE CONSTRAINT TRIGGER waiting AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
     FOR EACH ROW EXECUTE FUNCTION wait_at_the_end()`,
  )
})

afterAll(() => server.stop())

const STANDS_AFTER = "wait_event = 'SyncRep'"
const STANDS_BEFORE = "wait_event = 'advisory'"

async function standing(condition: string, statement: string): Promise<void> {
  const find = `SELECT FROM pg_stat_activity WHERE ${condition} AND query LIKE '${statement}%'`
  await expect.poll(async () => (await psql(server.url, find)).length, { timeout: 30_000 }).toBe(1)
}

const endWhatStands = (condition: string): Promise<unknown> =>
  psql(server.url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${condition}`)

/** While `run` runs, sessions of the ledger's role stand still once they have made something durable. */
async function withoutStandby<T>(run: () => Promise<T>): Promise<T> {
  await psql(server.url, 'ALTER ROLE late SET synchronous_commit = on')
  try {
    return await run()
  } finally {
    await psql(server.url, 'ALTER ROLE late RESET synchronous_commit')
  }
}

/** Holds what the deferred trigger waits for. */
async function holdingTheEnd(): Promise<{ release(): Promise<void> }> {
  const holder = await consoleAt(url)
  await holder.query('SELECT pg_advisory_lock(7)')
  return {
    release: async () => {
      await holder.query('SELECT pg_advisory_unlock(7)')
    },
  }
}

/** A process of its own that prepares one branch. */
function preparingProcess(xid: Xid, sql: string): ChildProcess {
  const script = join(import.meta.dirname, '../testing/servers/preparing-process.ts')
  const argument = JSON.stringify({ name: LEDGER, url, xid, sql })
  const child = spawn(process.execPath, [script, argument], { stdio: ['ignore', 'ignore', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exited
}

async function opened(): Promise<{ participant: Participant; xid: Xid }> {
  const participant = openLedger(url)
  await participant.describe()
  return { participant, xid: freshLog().xid(1) }
}

/** As the coordinator does it: asked again until it is acknowledged. */
async function abortUntilAcknowledged(participant: Participant, xid: Xid): Promise<void> {
  const abort = async (): Promise<string> => (await participant.abort(xid)).result
  await expect.poll(abort, { timeout: 30_000 }).toMatch(/^done/)
}

async function untilNothingIsLeft(participant: Participant, xid: Xid): Promise<void> {
  const gid = `pledged/${xid}/${LEDGER}`
  expect((await participant.listPrepared(100, '')).branches).toEqual([])
  expect(await psql(url, `SELECT FROM pg_prepared_xacts WHERE gid = '${gid}'`)).toEqual([])
  expect(await psql(url, 'SELECT FROM t UNION ALL SELECT FROM slow')).toEqual([])
  expect(await participant.evidence?.(xid)).toBe('witness_aborted')
}

describe('a client killed while PREPARE TRANSACTION is running', () => {
  it('that is durable and unanswered: unknown while its session lives, then aborted', async () => {
    const { participant, xid } = await opened()
    await withoutStandby(async () => {
      const child = preparingProcess(xid, 'INSERT INTO t VALUES (1)')
      await standing(STANDS_AFTER, 'PREPARE TRANSACTION')
      await kill(child)
    })
    expect((await participant.listPrepared(10, '')).branches.map((branch) => branch.xid)).toEqual([xid])
    // Its session holds the branch: neither verb may take that for an end.
    expect(await participant.abort(xid)).toMatchObject({ result: 'unknown' })
    expect(await participant.commit(xid)).toMatchObject({ result: 'unknown' })
    await endWhatStands(STANDS_AFTER)
    await abortUntilAcknowledged(participant, xid)
    await untilNothingIsLeft(participant, xid)
  })

  it('that is not durable yet: an abort waits for it, and meets the pledge that it makes', async () => {
    const { participant, xid } = await opened()
    const end = await holdingTheEnd()
    const child = preparingProcess(xid, 'INSERT INTO slow VALUES (1)')
    await standing(STANDS_BEFORE, 'PREPARE TRANSACTION')
    await kill(child)
    expect(await participant.abort(xid)).toMatchObject({ result: 'unknown' })
    await end.release()
    const held = async (): Promise<number> => (await participant.listPrepared(10, '')).branches.length
    await expect.poll(held, { timeout: 30_000 }).toBe(1)
    await abortUntilAcknowledged(participant, xid)
    await untilNothingIsLeft(participant, xid)
  })

  it('whose abort came before its witness: the bar makes it fail', async () => {
    const { participant, xid } = await opened()
    const holder = await consoleAt(url)
    await holder.query('BEGIN')
    await holder.query('LOCK TABLE t')
    const child = preparingProcess(xid, 'INSERT INTO t VALUES (1)')
    const waiting =
      "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO t%'"
    await expect.poll(async () => (await psql(server.url, waiting)).length, { timeout: 30_000 }).toBe(1)
    expect(await participant.abort(xid)).toMatchObject({ result: 'done', evidence: 'witness_aborted' })
    const exited = new Promise((resolve) => child.once('exit', resolve))
    await holder.query('ROLLBACK')
    await exited
    await untilNothingIsLeft(participant, xid)
  })
})

describe('a vote that nobody waits for any more', () => {
  it.each([
    ['before it is durable', 'INSERT INTO slow VALUES (1)', STANDS_BEFORE],
    ['after it is durable', 'INSERT INTO t VALUES (1)', STANDS_AFTER],
  ])('%s: the session is ended at the server, and nothing is left', async (_when, sql, condition) => {
    const { participant, xid } = await opened()
    const end = await holdingTheEnd()
    const abort = new AbortController()
    await withoutStandby(async () => {
      const voting = prepareSql(participant, xid, [sql], { signal: abort.signal, timeoutMs: 600_000 })
      await standing(condition, 'PREPARE TRANSACTION')
      abort.abort()
      expect(await voting).toMatchObject({ vote: 'no', retryable: true })
      const standsStill = `SELECT FROM pg_stat_activity WHERE ${condition}`
      await expect.poll(async () => (await psql(server.url, standsStill)).length, { timeout: 30_000 }).toBe(0)
    })
    await end.release()
    // Sessions that were opened meanwhile keep the setting: another process does the rest.
    await participant.close()
    const { participant: next } = await opened()
    await abortUntilAcknowledged(next, xid)
    await untilNothingIsLeft(next, xid)
  })
})

describe('a lost answer to the COMMIT of one phase (R17)', () => {
  const outcomeUnknown = { code: 'OUTCOME_UNKNOWN' }

  it('that was durable: the outcome is unknown, and the refused bar says committed', async () => {
    const { participant, xid } = await opened()
    await withoutStandby(async () => {
      const voting = prepareSql(participant, xid, ['INSERT INTO t VALUES (1)'], { onePhase: true })
      const ended = voting.catch((error: unknown) => error)
      await standing(STANDS_AFTER, 'COMMIT')
      await endWhatStands(STANDS_AFTER)
      expect(await ended).toMatchObject(outcomeUnknown)
    })
    const abort = async () => participant.abort(xid)
    await expect
      .poll(abort, { timeout: 30_000 })
      .toMatchObject({ result: 'broken', evidence: 'witness_committed' })
    expect(await psql(url, 'DELETE FROM t RETURNING n')).toEqual([{ n: 1 }])
  })

  it('that was not: the outcome is unknown, and the bar says aborted', async () => {
    const { participant, xid } = await opened()
    const end = await holdingTheEnd()
    const voting = prepareSql(participant, xid, ['INSERT INTO slow VALUES (1)'], { onePhase: true })
    const ended = voting.catch((error: unknown) => error)
    await standing(STANDS_BEFORE, 'COMMIT')
    await endWhatStands(STANDS_BEFORE)
    expect(await ended).toMatchObject(outcomeUnknown)
    await end.release()
    await abortUntilAcknowledged(participant, xid)
    await untilNothingIsLeft(participant, xid)
  })

  it('whose commit was never sent is a no vote', async () => {
    const { participant, xid } = await opened()
    const abort = new AbortController()
    const sleeping = ['INSERT INTO t VALUES (1)', 'SELECT pg_sleep(64)']
    const voting = prepareSql(participant, xid, sleeping, { onePhase: true, signal: abort.signal })
    await standing("state = 'active'", 'SELECT pg_sleep(64)')
    abort.abort()
    expect(await voting).toMatchObject({ vote: 'no' })
    await abortUntilAcknowledged(participant, xid)
    await untilNothingIsLeft(participant, xid)
  })
})
