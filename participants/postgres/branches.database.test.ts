/** What a branch at PostgreSQL may do, and what is a no vote with the reason. */
import { describe, expect, inject, it } from 'vitest'
import type { Vote } from '../../src/sdk/participant/index.ts'
import { defaultServerLimits as limits } from '../shared/servers/limits.ts'
import { freshLog } from '../testing/servers/fresh-log.ts'
import {
  asAdmin,
  consoleAt,
  LEDGER,
  openLedger,
  prepareSql,
  psql,
  seededDatabase,
} from '../testing/servers/postgres.ts'
import { parseDatabaseUrl } from './connection-url.ts'
import { PostgresStore } from './postgres-store.ts'

const YES: Vote = { vote: 'yes' }
const no = (message: string, retryable = false): object => ({
  vote: 'no',
  retryable,
  message: expect.stringContaining(message) as string,
})

async function opened(...seed: readonly string[]) {
  const url = await seededDatabase(inject('postgresUrl'))
  await psql(url, ...seed)
  const participant = openLedger(url)
  await participant.describe()
  const heldBy = async (): Promise<number> => (await participant.listPrepared(10, '')).branches.length
  return { url, participant, heldBy, xid: freshLog().xid }
}

it('of a process that went silent ends with its time, whatever the role is set to', async () => {
  const { url, participant, xid } = await opened('CREATE TABLE seen (timeout interval)')
  const { username } = new URL(url)
  const setting = "current_setting('idle_in_transaction_session_timeout')::interval"
  const store = ['INSERT INTO seen SELECT ' + setting]
  await psql(url, `ALTER ROLE ${username} SET idle_in_transaction_session_timeout = 0`)
  await participant.describe()
  expect(await prepareSql(participant, xid(1), store, { timeoutMs: 60_000 })).toEqual(YES)
  await participant.commit(xid(1))
  const within = "SELECT FROM seen WHERE timeout > '0 s' AND timeout <= '60 s'"
  expect(await psql(url, within)).toHaveLength(1)
})

describe('work that would end its own transaction (R14)', () => {
  it.each([
    ['COMMIT', 'begins with COMMIT'],
    ['/* ; */ ROLLBACK', 'begins with ROLLBACK'],
    ['PREPARE TRANSACTION $$x$$', 'begins with PREPARE'],
    ['SAVEPOINT a', 'begins with SAVEPOINT'],
    ['SET ROLE postgres', 'begins with SET'],
    ['UPDATE accounts SET balance = 1; COMMIT', 'more than one statement'],
  ])('is refused by its text: %s', async (sql, reason) => {
    const { participant, xid } = await opened()
    expect(await prepareSql(participant, xid(1), [sql])).toMatchObject(no(reason))
  })

  it.each(['CALL ending()', 'DO $$ BEGIN UPDATE accounts SET balance = 7; COMMIT; END $$'])(
    'is refused by the server: %s',
    async (sql) => {
      const { participant, xid, url } = await opened(
        'CREATE PROCEDURE ending() LANGUAGE plpgsql AS $$ BEGIN UPDATE accounts SET balance = 7; COMMIT; END $$',
      )
      expect(await prepareSql(participant, xid(1), [sql])).toMatchObject(
        no('tried to end its own transaction'),
      )
      expect(await psql(url, 'SELECT FROM accounts WHERE balance = 7')).toEqual([])
      expect(await participant.evidence?.(xid(1))).toBe('no_witness')
    },
  )

  // The text of these isn't read: the checks behind it must find them by themselves.
  it.each([['COMMIT'], ['ROLLBACK'], ['COMMIT AND CHAIN'], ['COMMIT', 'BEGIN'], ['ROLLBACK AND CHAIN']])(
    'is found before the pledge: %s %s',
    async (...statements) => {
      const { url, xid, participant, heldBy } = await opened()
      const store = new PostgresStore({
        branch: LEDGER,
        address: parseDatabaseUrl(url, LEDGER),
        poolSize: 4,
        lockTimeoutMs: 1_000,
        limits,
      })
      await store.open()
      const texts = [
        'UPDATE accounts SET balance = 7 WHERE id = 1',
        ...statements,
        'UPDATE accounts SET balance = 8 WHERE id = 2',
      ]
      const voted = await store.pledge({
        xid: xid(1),
        statements: texts.map((sql, index) => ({ place: `statements[${index}]`, sql, params: [] })),
        timeoutMs: 20_000,
        onePhase: false,
        signal: new AbortController().signal,
      })
      await store.close()
      expect(voted).toMatchObject(no('what ran before may have been committed'))
      expect(await participant.evidence?.(xid(1))).toBe('no_witness')
      expect(await heldBy()).toBe(0)
      expect(await psql(url, 'SELECT FROM accounts WHERE balance = 8')).toEqual([])
    },
  )
})

describe('a no vote, with the reason', () => {
  it('a constraint, at once and deferred to the pledge', async () => {
    const { participant, xid, heldBy } = await opened(
      'CREATE TABLE owners (account int REFERENCES accounts DEFERRABLE INITIALLY DEFERRED)',
    )
    expect(
      await prepareSql(participant, xid(1), ['UPDATE accounts SET balance = balance - 200 WHERE id = 1']),
    ).toMatchObject(no('accounts_balance_check'))
    expect(await prepareSql(participant, xid(2), ['INSERT INTO owners VALUES (99)'])).toMatchObject(
      no('Key (account)=(99) is not present'),
    )
    expect(await heldBy()).toBe(0)
  })

  it('another number of rows than expected', async () => {
    const { participant, xid } = await opened()
    const sql = 'UPDATE accounts SET balance = balance - 1 WHERE id = $1 AND balance >= $2'
    expect(await prepareSql(participant, xid(1), [{ sql, params: [1, 500], expect_rows: 1 }])).toMatchObject(
      no('statements[0] was to change or return 1 rows, and it was 0'),
    )
    expect(await prepareSql(participant, xid(2), [{ sql, params: [1, 50], expect_rows: 1 }])).toEqual(YES)
    await participant.abort(xid(2))
  })

  it('what PostgreSQL can not prepare: a temporary table, NOTIFY', async () => {
    const { participant, xid, heldBy } = await opened()
    const temporary = ['SELECT 1 AS n INTO TEMPORARY TABLE t', 'UPDATE accounts SET balance = 1']
    expect(await prepareSql(participant, xid(1), temporary)).toMatchObject(no('temporary'))
    const notifying = ['UPDATE accounts SET balance = 1', "SELECT pg_notify('bell', '')"]
    expect(await prepareSql(participant, xid(2), notifying)).toMatchObject(no('NOTIFY'))
    expect(await heldBy()).toBe(0)
  })

  it('missing rights, and where they are missing', async () => {
    const { participant, xid, url } = await opened()
    await psql(asAdmin(inject('postgresUrl'), url), 'CREATE TABLE vault (gold int)')
    expect(await prepareSql(participant, xid(1), ['SELECT 1', 'INSERT INTO vault VALUES (1)'])).toMatchObject(
      no('statements[1]: grant the role what the statement needs'),
    )
  })

  it('a table locked beyond the timeout', async () => {
    const { url, xid } = await opened()
    const participant = openLedger(url, { lockTimeoutMs: 50 })
    await participant.describe()
    const holder = await consoleAt(url)
    await holder.query('BEGIN')
    await holder.query('LOCK TABLE accounts')
    expect(await prepareSql(participant, xid(1), ['UPDATE accounts SET balance = 1'])).toMatchObject(
      no('held the lock for longer than lock_timeout', true),
    )
    await holder.query('ROLLBACK')
    expect(await prepareSql(participant, xid(1), ['UPDATE accounts SET balance = 1'])).toEqual(YES)
    await participant.abort(xid(1))
  })

  it('a witness that a trigger swallows, and a role that the work took on', async () => {
    const { participant, xid, url } = await opened()
    const { username } = new URL(url)
    await psql(
      asAdmin(inject('postgresUrl'), url),
      `CREATE ROLE ${username}_other`,
      `GRANT ${username}_other TO ${username}`,
    )
    const changed = ['UPDATE accounts SET balance = 1 WHERE id = 1']
    const otherRole = [`SELECT set_config('role', '${username}_other', false)`]
    expect(await prepareSql(participant, xid(1), [...changed, ...otherRole])).toMatchObject({ vote: 'no' })
    await psql(
      url,
      'CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
      'CREATE TRIGGER swallowing BEFORE INSERT ON pledged_witness FOR EACH ROW EXECUTE FUNCTION swallow()',
    )
    expect(await prepareSql(participant, xid(2), changed)).toMatchObject(no('was not written'))
  })

  it('a statement that is cancelled, or whose session is ended', async () => {
    const { participant, xid, url } = await opened()
    const byHand = async (call: string): Promise<void> => {
      const kill = `SELECT ${call}(pid) FROM pg_stat_activity WHERE application_name = 'pledged ledger'
                    AND datname = current_database() AND query LIKE '%pg_sleep(63)%'`
      await expect.poll(async () => (await psql(url, kill)).length, { timeout: 30_000 }).toBe(1)
    }
    const sleeping = ['UPDATE accounts SET balance = 1', 'SELECT pg_sleep(63)']
    const cancelled = prepareSql(participant, xid(1), sleeping)
    await byHand('pg_cancel_backend')
    expect(await cancelled).toMatchObject(no('cancel', true))
    const ended = prepareSql(participant, xid(2), sleeping)
    await byHand('pg_terminate_backend')
    expect(await ended).toMatchObject(no('ended by an administrator', true))
    expect(await prepareSql(participant, xid(3), ['UPDATE accounts SET balance = 1'])).toEqual(YES)
    expect(await participant.commit(xid(3))).toMatchObject({ result: 'done' })
  })
})

describe('what a branch may do', () => {
  it('takes parameters of every kind, by the type of their place', async () => {
    const { participant, xid, url } = await opened(
      'CREATE TABLE kinds (i int8, n numeric, f float8, t text, b boolean, y bytea, j jsonb, d timestamptz, z text)',
    )
    const params = [
      { int64: '9223372036854775807' },
      0.1,
      { float64: 2 },
      "o'clock; -- $1",
      true,
      { base64: 'AAE=' },
      '{"a": [1]}',
      '2026-11-21T06:00:00Z',
      null,
    ]
    const sql = 'INSERT INTO kinds VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)'
    expect(await prepareSql(participant, xid(1), [{ sql, params, expect_rows: 1 }])).toEqual(YES)
    await participant.commit(xid(1))
    const found = `SELECT i::text, n::text, f, t, b, encode(y, 'hex') AS y, j, d = '2026-11-21T06:00:00Z' AS d, z FROM kinds`
    expect(await psql(url, found)).toEqual([
      {
        i: '9223372036854775807',
        n: '0.1',
        f: 2,
        t: "o'clock; -- $1",
        b: true,
        y: '0001',
        j: { a: [1] },
        d: true,
        z: null,
      },
    ])
  })

  it('takes only the named ones, where there are any', async () => {
    const { url, xid } = await opened()
    const participant = openLedger(url, {
      statements: { take: 'UPDATE accounts SET balance = balance - $2 WHERE id = $1' },
    })
    await participant.describe()
    const work = (entry: object) => ({
      xid: xid(1),
      work: new TextEncoder().encode(JSON.stringify({ statements: [entry] })),
      timeoutMs: 20_000,
      onePhase: false,
      signal: new AbortController().signal,
    })
    expect(await participant.prepare(work({ sql: 'DELETE FROM accounts' }))).toMatchObject({ vote: 'no' })
    expect(await participant.prepare(work({ name: 'take', params: [1, 5], expect_rows: 1 }))).toEqual(YES)
    await participant.commit(xid(1))
    expect(await psql(url, 'SELECT balance FROM accounts WHERE id = 1')).toEqual([{ balance: 95 }])
    expect(() => openLedger(url, { statements: { end: 'COMMIT' } })).toThrow(
      /statement "end" begins with COMMIT/,
    )
  })

  it('leaves nothing of its own in the session for the next', async () => {
    const { url, xid } = await opened()
    const participant = openLedger(url, { poolSize: 4 })
    await participant.describe()
    const leaving = ["SELECT set_config('search_path', 'nowhere', false)", 'SELECT pg_advisory_lock(42)']
    expect(await prepareSql(participant, xid(1), leaving)).toEqual({ vote: 'read_only' })
    const held = (): Promise<readonly object[]> =>
      psql(url, "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 42")
    await expect.poll(held, { timeout: 30_000 }).toEqual([])
    for (let index = 2; index < 6; index += 1) {
      expect(await prepareSql(participant, xid(index), ['UPDATE accounts SET balance = 1'])).toEqual(YES)
      await participant.abort(xid(index))
    }
  })

  it('tells what a pledge costs while it is in doubt', async () => {
    const { participant, xid, url } = await opened()
    await prepareSql(participant, xid(1), ['UPDATE accounts SET balance = 1'])
    await psql(url, 'CREATE TABLE a ()', 'CREATE TABLE b ()')
    const { branches } = await participant.listPrepared(10, '')
    expect(branches[0]?.cost).toMatch(
      /^holds \d+ locks on accounts; holds back vacuum by [1-9]\d* transactions$/,
    )
    await participant.abort(xid(1))
  })

  it('is seen where another role prepared it, and says who must end it', async () => {
    const { participant, xid, url } = await opened()
    const admin = await consoleAt(asAdmin(inject('postgresUrl'), url))
    await admin.query('BEGIN')
    await admin.query('UPDATE accounts SET balance = 1')
    await admin.query(`PREPARE TRANSACTION 'pledged/${xid(1)}/${LEDGER}'`)
    const { branches } = await participant.listPrepared(10, '')
    expect(branches).toMatchObject([
      { xid: xid(1), cost: expect.stringContaining('role postgres') as string },
    ])
    expect(await participant.abort(xid(1))).toMatchObject({
      result: 'unknown',
      message: expect.stringContaining('ended by the role that prepared it') as string,
    })
    await admin.query(`ROLLBACK PREPARED 'pledged/${xid(1)}/${LEDGER}'`)
  })
})
