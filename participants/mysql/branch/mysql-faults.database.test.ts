/** Sessions that die, applications that leave: what becomes of an XA branch in each place. */
import { describe, expect, inject, it } from 'vitest'
import type { TestTransaction } from '../../testing/servers/application-branch.ts'
import { consoleAt, sql } from '../../testing/servers/mysql.ts'
import {
  balance,
  DEBIT,
  expectClean,
  prepared,
  settings,
  world,
} from '../../testing/servers/mysql-application.ts'
import { LEDGER } from '../../testing/servers/postgres.ts'
import { mysqlBranch } from './index.ts'

const kill = (connectionId: string): Promise<unknown> =>
  sql(inject('mariadbUrl'), `KILL CONNECTION ${connectionId}`)

describe('the daemon', () => {
  it.each(['commit', 'abort'] as const)('ends what was left behind: %s', async (verb) => {
    const { url, pool, participant, transaction } = await world()
    const before = await settings(pool)
    const tx = transaction()
    await mysqlBranch(tx, LEDGER, pool, (connection) => connection.query(DEBIT))
    await tx.prepare()
    tx.leave()
    await expectClean(pool, before)
    const ended = async (): Promise<string> => (await participant[verb](tx.xid)).result
    await expect.poll(ended, { timeout: 30_000 }).toMatch(/^done/)
    expect(await balance(url)).toBe(verb === 'commit' ? 90 : 100)
    expect(await prepared(participant)).toEqual([])
  })

  it('ends what the application still holds, when it is to', async () => {
    const { url, pool, participant, transaction } = await world()
    const tx = transaction()
    await mysqlBranch(tx, LEDGER, pool, (connection) => connection.query(DEBIT))
    await tx.prepare()
    const ended = async (): Promise<string> => (await participant.commit(tx.xid)).result
    await expect.poll(ended, { timeout: 30_000 }).toMatch(/^done/)
    expect(await tx.commit()).toBe(false)
    expect(await balance(url)).toBe(90)
  })

  it('bars a prepare that comes after its abort', async () => {
    const { url, pool, participant, transaction } = await world()
    const before = await settings(pool)
    const tx = transaction()
    await mysqlBranch(tx, LEDGER, pool, (connection) => connection.query(DEBIT))
    expect((await participant.abort(tx.xid)).result).toMatch(/^done/)
    await expect(tx.prepare()).rejects.toThrow(/has ended at "ledger" already: its prepare comes too late/)
    expect(await tx.rollBack()).toBe(true)
    expect(await balance(url)).toBe(100)
    expect(await prepared(participant)).toEqual([])
    await expectClean(pool, before)
  })
})

describe('a session that is killed', () => {
  it('in the work: it fails, and nothing is left', async () => {
    const { url, pool, transaction } = await world()
    const before = await settings(pool)
    const tx = transaction()
    const work = mysqlBranch(tx, LEDGER, pool, async (connection) => {
      await connection.query(DEBIT)
      await kill(tx.branchOpened.connectionId)
      await connection.query(DEBIT)
    })
    const error: unknown = await work.catch((thrown: unknown) => thrown)
    expect(tx.branchOpened.isRetryable?.(error)).toBe(true)
    expect(await tx.rollBack()).toBe(true)
    await expect.poll(() => sql(url, DEBIT).then(() => balance(url)), { timeout: 30_000 }).toBe(90)
    await expectClean(pool, before)
  })

  it('before the prepare: it is not prepared', async () => {
    const { url, pool, participant, transaction } = await world()
    const before = await settings(pool)
    const tx = transaction()
    await mysqlBranch(tx, LEDGER, pool, (connection) => connection.query(DEBIT))
    await kill(tx.branchOpened.connectionId)
    await expect(tx.prepare()).rejects.toMatchObject({ retryable: true })
    await tx.rollBack()
    const aborted = async (): Promise<string> => (await participant.abort(tx.xid)).result
    await expect.poll(aborted, { timeout: 30_000 }).toMatch(/^done/)
    expect(await balance(url)).toBe(100)
    await expectClean(pool, before)
  })

  it('once it has prepared: the daemon commits', async () => {
    const { url, pool, participant, transaction } = await world()
    const before = await settings(pool)
    const tx = transaction()
    await mysqlBranch(tx, LEDGER, pool, (connection) => connection.query(DEBIT))
    await tx.prepare()
    await kill(tx.branchOpened.connectionId)
    expect(await tx.commit()).toBe(false)
    const ended = async (): Promise<string> => (await participant.commit(tx.xid)).result
    await expect.poll(ended, { timeout: 30_000 }).toMatch(/^done/)
    expect(await balance(url)).toBe(90)
    await expectClean(pool, before)
  })

  it('by the server, when the application stands still for longer than it has time', async () => {
    const { url, pool, transaction } = await world()
    const before = await settings(pool)
    const tx = transaction({ timeoutMs: 2_000 })
    await mysqlBranch(tx, LEDGER, pool, (connection) => connection.query(DEBIT))
    // Nothing of the application runs; its lock goes all the same.
    await sql(url, DEBIT)
    await expect(tx.prepare()).rejects.toMatchObject({ retryable: true })
    await tx.rollBack()
    expect(await balance(url)).toBe(90)
    await expectClean(pool, before)
  })
})

describe('a statement that nobody waits for any more', () => {
  it('is ended at the server, with its locks', async () => {
    const { url, pool, transaction } = await world()
    const before = await settings(pool)
    const holder = await consoleAt(url)
    await holder.query('START TRANSACTION')
    await holder.query('SELECT * FROM accounts WHERE id = 2 FOR UPDATE')
    const given = new AbortController()
    const tx = transaction({ signal: given.signal, timeoutMs: 120_000 })
    const work = mysqlBranch(
      tx,
      LEDGER,
      pool,
      async (connection) => {
        await connection.query(DEBIT)
        await connection.query('UPDATE accounts SET balance = 0 WHERE id = 2')
      },
      { lockTimeoutMs: 60_000 },
    )
    work.catch(() => {})
    const waiting =
      "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'UPDATE accounts SET balance = 0%'"
    await expect.poll(async () => (await sql(url, waiting)).length, { timeout: 30_000 }).toBe(1)
    given.abort()
    await expect(work).rejects.toThrow(/connection of the branch was closed/)
    expect(await tx.rollBack()).toBe(true)
    await sql(url, 'SET innodb_lock_wait_timeout = 30', DEBIT)
    expect(await balance(url)).toBe(90)
    await holder.query('ROLLBACK')
    await expectClean(pool, before)
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
    const before = await settings(pool)
    const holder = await consoleAt(url)
    await holder.query('START TRANSACTION')
    await holder.query(DEBIT)
    const tx = transaction()
    const error: unknown = await mysqlBranch(tx, LEDGER, pool, (connection) => connection.query(DEBIT), {
      lockTimeoutMs: 1_000,
    }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ errno: 1205 })
    expect(tx.branchOpened.isRetryable?.(error)).toBe(true)
    expect(tx.branchOpened.isRetryable?.(new Error('wrapped', { cause: error }))).toBe(true)
    expect(tx.branchOpened.isRetryable?.(new Error("the application's own"))).toBe(false)
    expect(await tx.rollBack()).toBe(true)
    await holder.query('ROLLBACK')
    await expectClean(pool, before)
  })

  it('a deadlock, after which the server has rolled the branch back itself', async () => {
    const { pool, transaction } = await world(2)
    const one = transaction()
    const two = transaction()
    const take = (tx: typeof one, id: number): Promise<unknown> =>
      mysqlBranch(tx, LEDGER, pool, (connection) =>
        connection.query(`UPDATE accounts SET balance = 1 WHERE id = ${id}`),
      )
    await take(one, 1)
    await take(two, 2)
    const results = await Promise.allSettled([
      thenRollBack(one, take(one, 2)),
      thenRollBack(two, take(two, 1)),
    ])
    const failed = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    )
    expect(failed).toMatchObject([{ errno: 1213 }])
    expect(one.branchOpened.isRetryable?.(failed[0])).toBe(true)
    // Both connections are the pool's again, in no transaction.
    const [rows] = await pool.query('SELECT @@in_transaction AS open')
    expect(rows).toEqual([{ open: 0 }])
  })
})
