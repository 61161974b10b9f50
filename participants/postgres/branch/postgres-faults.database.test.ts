/** Sessions that die, servers that don't answer, applications that leave: what becomes of a branch in each place. */
import type pg from 'pg'
import { describe, expect, it } from 'vitest'
import type { TestTransaction } from '../../testing/servers/application-branch.ts'
import { consoleAt, LEDGER, psql } from '../../testing/servers/postgres.ts'
import { balance, DEBIT, expectClean, prepared, world } from '../../testing/servers/postgres-application.ts'
import { postgresBranch } from './index.ts'

const kill = (url: string, connectionId: string): Promise<unknown> =>
  psql(url, `SELECT pg_terminate_backend(${connectionId})`)

/** Standing where the deferred trigger waits for a lock: in PREPARE TRANSACTION, before it has done anything. */
async function slowToPrepare(url: string): Promise<pg.Client> {
  await psql(
    url,
    'CREATE FUNCTION wait_at_the_end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$',
    `CREATE CONSTRAINT TRIGGER waiting AFTER UPDATE ON accounts DEFERRABLE INITIALLY DEFERRED
     FOR EACH ROW EXECUTE FUNCTION wait_at_the_end()`,
  )
  const holder = await consoleAt(url)
  await holder.query('SELECT pg_advisory_lock(7)')
  return holder
}

async function standing(url: string, statement: string): Promise<void> {
  const find = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '${statement}' AND datname = current_database()`
  await expect.poll(async () => (await psql(url, find)).length, { timeout: 30_000 }).toBe(1)
}

describe('the daemon', () => {
  it.each(['commit', 'abort'] as const)('ends what was left behind: %s', async (verb) => {
    const { url, pool, participant, transaction } = await world()
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, (sql) => sql.query(DEBIT))
    await tx.prepare()
    tx.leave()
    await expectClean(pool)
    expect((await participant[verb](tx.xid)).result).toBe('done')
    expect(await balance(url)).toBe(verb === 'commit' ? 90 : 100)
    expect(await prepared(url)).toEqual([])
  })

  it('may have been first: nothing is concluded from that', async () => {
    const { url, pool, participant, transaction } = await world()
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, (sql) => sql.query(DEBIT))
    await tx.prepare()
    await participant.commit(tx.xid)
    expect(await tx.commit()).toBe(false)
    expect(await balance(url)).toBe(90)
    await expectClean(pool)
  })

  it('bars a prepare that comes after its abort', async () => {
    const { url, pool, participant, transaction } = await world()
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, (sql) => sql.query(DEBIT))
    expect((await participant.abort(tx.xid)).result).toMatch(/^done/)
    await expect(tx.prepare()).rejects.toThrow(/has ended at "ledger" already: its prepare comes too late/)
    expect(await tx.rollBack()).toBe(true)
    expect(await balance(url)).toBe(100)
    expect(await prepared(url)).toEqual([])
    await expectClean(pool)
  })
})

describe('a session that is killed', () => {
  it('in the work: it fails, and nothing is left', async () => {
    const { url, pool, transaction } = await world()
    const tx = transaction()
    const work = postgresBranch(tx, LEDGER, pool, async (sql) => {
      await sql.query(DEBIT)
      await kill(url, tx.branchOpened.connectionId)
      await sql.query(DEBIT)
    })
    const error: unknown = await work.catch((thrown: unknown) => thrown)
    expect(tx.branchOpened.isRetryable?.(error)).toBe(true)
    expect(await tx.rollBack()).toBe(true)
    expect(await balance(url)).toBe(100)
    await expectClean(pool)
  })

  it('before the prepare: whether it was prepared is not known, and it is not', async () => {
    const { url, pool, participant, transaction } = await world()
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, (sql) => sql.query(DEBIT))
    await kill(url, tx.branchOpened.connectionId)
    await expect(tx.prepare()).rejects.toMatchObject({ retryable: true })
    await tx.rollBack()
    expect((await participant.abort(tx.xid)).result).toMatch(/^done/)
    expect(await balance(url)).toBe(100)
    await expectClean(pool)
  })

  it('once it has prepared: the daemon commits', async () => {
    const { url, pool, participant, transaction } = await world()
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, (sql) => sql.query(DEBIT))
    await tx.prepare()
    await kill(url, tx.branchOpened.connectionId)
    expect(await tx.commit()).toBe(false)
    expect((await participant.commit(tx.xid)).result).toBe('done')
    expect(await balance(url)).toBe(90)
    await expectClean(pool)
  })

  it('by the server, when the application stands still for longer than it has time', async () => {
    const { url, pool, transaction } = await world()
    const tx = transaction({ timeoutMs: 2_000 })
    await postgresBranch(tx, LEDGER, pool, (sql) => sql.query(DEBIT))
    // Nothing of the application runs; its lock goes all the same.
    await psql(url, DEBIT)
    await expect(tx.prepare()).rejects.toMatchObject({ retryable: true })
    await tx.rollBack()
    expect(await balance(url)).toBe(90)
    await expectClean(pool)
  })
})

describe('a prepare that nobody waits for any more', () => {
  it('is in doubt; the daemon finds it, or bars it', async () => {
    const { url, pool, participant, transaction } = await world()
    const holder = await slowToPrepare(url)
    const given = new AbortController()
    const tx = transaction({ signal: given.signal })
    await postgresBranch(tx, LEDGER, pool, (sql) => sql.query(DEBIT), { lockTimeoutMs: 60_000 })
    const preparing = tx.prepare()
    preparing.catch(() => {})
    await standing(url, '%PREPARE TRANSACTION%')
    given.abort()
    await expect(preparing).rejects.toMatchObject({ retryable: true })
    expect(await tx.rollBack()).toBe(false)
    await holder.query('SELECT pg_advisory_unlock(7)')
    const abort = async (): Promise<string> => (await participant.abort(tx.xid)).result
    await expect.poll(abort, { timeout: 30_000 }).toMatch(/^done/)
    expect(await prepared(url)).toEqual([])
    expect(await balance(url)).toBe(100)
    await expectClean(pool)
  })
})

describe('a statement that nobody waits for any more', () => {
  it('is ended at the server, with its locks', async () => {
    const { url, pool, transaction } = await world()
    const holder = await consoleAt(url)
    await holder.query('BEGIN')
    await holder.query('SELECT FROM accounts WHERE id = 2 FOR UPDATE')
    const given = new AbortController()
    const tx = transaction({ signal: given.signal })
    const work = postgresBranch(
      tx,
      LEDGER,
      pool,
      async (sql) => {
        await sql.query(DEBIT)
        await sql.query('UPDATE accounts SET balance = 0 WHERE id = 2')
      },
      { lockTimeoutMs: 60_000 },
    )
    work.catch(() => {})
    await standing(url, 'UPDATE accounts SET balance = 0%')
    given.abort()
    await expect(work).rejects.toThrow(/terminat/)
    expect(await tx.rollBack()).toBe(true)
    await expect
      .poll(() => psql(url, `SET lock_timeout = 100`, DEBIT).then(() => balance(url)), { timeout: 30_000 })
      .toBe(90)
    await holder.query('ROLLBACK')
    await expectClean(pool)
  })
})

async function thenRollBack(tx: TestTransaction, taking: Promise<unknown>): Promise<void> {
  try {
    await taking
  } finally {
    await tx.rollBack()
  }
}

describe('what may be gone at the next try', () => {
  it('a lock that was held for too long', async () => {
    const { url, pool, transaction } = await world()
    const holder = await consoleAt(url)
    await holder.query('BEGIN')
    await holder.query(DEBIT)
    const tx = transaction()
    const error: unknown = await postgresBranch(tx, LEDGER, pool, (sql) => sql.query(DEBIT), {
      lockTimeoutMs: 20,
    }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: '55P03' })
    expect(tx.branchOpened.isRetryable?.(error)).toBe(true)
    expect(tx.branchOpened.isRetryable?.(new Error('wrapped', { cause: error }))).toBe(true)
    expect(tx.branchOpened.isRetryable?.(new Error("the application's own"))).toBe(false)
    await tx.rollBack()
    await holder.query('ROLLBACK')
    await expectClean(pool)
  })

  it('a deadlock, and not a key that is there already', async () => {
    const { pool, transaction } = await world(2)
    const one = transaction()
    const two = transaction()
    const take = (tx: typeof one, id: number): Promise<unknown> =>
      postgresBranch(tx, LEDGER, pool, (sql) => sql.query(`UPDATE accounts SET balance = 1 WHERE id = ${id}`))
    await take(one, 1)
    await take(two, 2)
    const results = await Promise.allSettled([take(one, 2), thenRollBack(two, take(two, 1))])
    const failed = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    )
    expect(failed).toMatchObject([{ code: '40P01' }])
    expect(one.branchOpened.isRetryable?.(failed[0])).toBe(true)
    await one.rollBack()
    await two.rollBack()
    const key = transaction()
    const error: unknown = await postgresBranch(key, LEDGER, pool, (sql) =>
      sql.query('INSERT INTO accounts VALUES (1, 1)'),
    ).catch((thrown: unknown) => thrown)
    expect(key.branchOpened.isRetryable?.(error)).toBe(false)
    await key.rollBack()
    await expectClean(pool)
  })

  it('a serialization failure, at the statement or at the prepare', async () => {
    const { url, pool, transaction } = await world(2)
    const begin = async (tx: ReturnType<typeof transaction>): Promise<void> => {
      await postgresBranch(tx, LEDGER, pool, async (sql) => {
        await sql.query('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE')
        await sql.query('SELECT sum(balance) FROM accounts')
      })
    }
    const one = transaction()
    const two = transaction()
    await begin(one)
    await begin(two)
    const insert = (tx: ReturnType<typeof transaction>, id: number): Promise<unknown> =>
      postgresBranch(tx, LEDGER, pool, (sql) => sql.query(`INSERT INTO accounts VALUES (${id}, 1)`))
    await insert(one, 10)
    await insert(two, 11)
    expect(await one.prepare()).toBe('prepared')
    await expect(two.prepare()).rejects.toMatchObject({ code: '40001', retryable: true })
    expect(await two.rollBack()).toBe(true)
    expect(await one.commit()).toBe(true)
    expect(await psql(url, 'SELECT id FROM accounts WHERE id > 9')).toEqual([{ id: 10 }])
    await expectClean(pool)
  })
})
