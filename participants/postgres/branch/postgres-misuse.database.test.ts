/** What an application must not do with a branch's connection, and what it is told. */
import pg from 'pg'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { startPostgres } from '../../../src/demo/servers/index.ts'
import { PledgedError } from '../../../src/sdk/participant/index.ts'
import { TestTransaction } from '../../testing/servers/application-branch.ts'
import { freshLog } from '../../testing/servers/fresh-log.ts'
import { LEDGER, psql, seededDatabase } from '../../testing/servers/postgres.ts'
import {
  balance,
  DEBIT,
  expectClean,
  poolAt,
  prepared,
  world,
} from '../../testing/servers/postgres-application.ts'
import { postgresBranch } from './index.ts'

const CONTROL = [
  'BEGIN',
  'start transaction isolation level serializable',
  '/* it is over */ COMMIT',
  'END',
  'ROLLBACK',
  'ABORT',
  "PREPARE TRANSACTION 'x'",
  "COMMIT PREPARED 'x'",
  'SELECT 1; COMMIT',
]

describe("what isn't for a branch", () => {
  it.each(CONTROL)('%s', async (statement) => {
    const { pool, transaction } = await world()
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, async (sql) => {
      await sql.query(DEBIT)
      await expect(sql.query(statement)).rejects.toThrow(
        /is not for a branch: Pledged has begun its transaction/,
      )
      await expect(sql.query({ text: statement })).rejects.toThrow(PledgedError)
    })
    expect(await tx.prepare()).toBe('prepared')
    expect(await tx.rollBack()).toBe(true)
    await expectClean(pool)
  })

  it('the end of the connection; to give it back does nothing', async () => {
    const { url, pool, transaction } = await world()
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, async (sql) => {
      sql.release()
      sql.release(true)
      await expect((sql as unknown as pg.Client).end()).rejects.toThrow(/end\(\) is not for a branch/)
      expect(sql).toBeInstanceOf(pg.Client)
      expect(sql.on('notice', () => {})).toBe(sql)
      await sql.query(DEBIT)
    })
    await tx.prepare()
    await tx.commit()
    expect(await balance(url)).toBe(90)
  })

  it('the connection, once the branch has ended, by whichever way one asks', async () => {
    const { url, pool, transaction } = await world()
    const tx = transaction()
    const kept = await postgresBranch(tx, LEDGER, pool, async (sql) => {
      await sql.query(DEBIT)
      return sql
    })
    await tx.prepare()
    await tx.commit()
    const over = /its work has ended/
    await expect(kept.query(DEBIT)).rejects.toThrow(over)
    const called = Promise.withResolvers<unknown>()
    kept.query(DEBIT, (error) => called.resolve(error))
    expect(await called.promise).toMatchObject({ message: expect.stringMatching(over) })
    const submitted = Promise.withResolvers<unknown>()
    const query = new pg.Query(DEBIT)
    query.on('error', submitted.resolve)
    kept.query(query)
    expect(await submitted.promise).toMatchObject({ message: expect.stringMatching(over) })
    kept.release()
    expect(await balance(url)).toBe(90)
    await expectClean(pool)
  })
})

describe('what is found at the prepare', () => {
  it('a transaction that was ended behind the guard, and another one begun', async () => {
    const { url, pool, transaction } = await world()
    const taken = Promise.withResolvers<pg.PoolClient>()
    pool.once('acquire', taken.resolve)
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, (sql) => sql.query(DEBIT))
    const real = await taken.promise
    for (const behind of ['COMMIT', 'BEGIN', DEBIT]) await real.query(behind)
    await expect(tx.prepare()).rejects.toThrow(/ended the transaction of the branch/)
    expect(await prepared(url)).toEqual([])
    await tx.rollBack()
    expect(await balance(url)).toBe(90)
    await expectClean(pool)
  })

  it('another role', async () => {
    const { url, pool, transaction } = await world()
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, async (sql) => {
      await sql.query(DEBIT)
      await sql.query('SET LOCAL ROLE pg_monitor').catch(() => {})
    })
    // The role of the test's database may not take another: what the guard would see is seen by its own name.
    await tx.rollBack()
    const admin = new URL(inject('postgresUrl'))
    admin.pathname = new URL(url).pathname
    const asAdmin = poolAt(admin.href)
    const other = transaction()
    await postgresBranch(other, LEDGER, asAdmin, async (sql) => {
      await sql.query(DEBIT)
      await sql.query(`SET LOCAL ROLE ${new URL(url).username}`)
    })
    await expect(other.prepare()).rejects.toThrow(/role of the connection was changed/)
    expect(await other.rollBack()).toBe(true)
    expect(await prepared(url)).toEqual([])
  })

  it("a statement that nobody awaited: it is waited for, and its failure is the work's", async () => {
    const { url, pool, transaction } = await world()
    const late = transaction()
    await postgresBranch(late, LEDGER, pool, async (sql) => {
      void sql.query(`SELECT pg_sleep(0.05); ${DEBIT}`)
    })
    expect(await late.prepare()).toBe('prepared')
    expect(await late.commit()).toBe(true)
    expect(await balance(url)).toBe(90)
    const failing = transaction()
    const work = postgresBranch(failing, LEDGER, pool, async (sql) => {
      await sql.query(DEBIT)
      void sql.query('INSERT INTO accounts VALUES (1, 1)')
    })
    await expect(work).rejects.toMatchObject({ code: '23505' })
    expect(await failing.rollBack()).toBe(true)
    await expectClean(pool)
  })

  it('a failure that the work passed over: PostgreSQL commits nothing after it', async () => {
    const { url, pool, transaction } = await world()
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, async (sql) => {
      await sql.query(DEBIT)
      await sql.query('INSERT INTO accounts VALUES (1, 1)').catch(() => {})
    })
    await expect(tx.prepare()).rejects.toMatchObject({ code: '25P02' })
    expect(await tx.rollBack()).toBe(true)
    expect(await prepared(url)).toEqual([])
    await expectClean(pool)
  })
})

describe('where no branch can run', () => {
  it('a database that the daemon has not opened', async () => {
    const url = await seededDatabase(inject('postgresUrl'))
    const pool = poolAt(url)
    const tx = new TestTransaction(freshLog().xid(1))
    const work = postgresBranch(tx, LEDGER, pool, async () => {})
    await expect(work).rejects.toThrow(/no table pledged_witness.*start it with this participant first/)
    await expect(work).rejects.toMatchObject({ code: 'CONFIGURATION' })
    await expectClean(pool)
  })

  it('a role that may not write the witness', async () => {
    const { url, transaction } = await world()
    const admin = new URL(inject('postgresUrl'))
    admin.pathname = new URL(url).pathname
    const reader = `r${new URL(url).pathname.slice(1)}`
    await psql(admin.href, `CREATE ROLE ${reader} LOGIN PASSWORD 'x'`)
    const asReader = new URL(url)
    asReader.username = reader
    asReader.password = 'x'
    const work = postgresBranch(transaction(), LEDGER, poolAt(asReader.href), async () => {})
    await expect(work).rejects.toThrow(
      /may not write public.pledged_witness: let the application use the role/,
    )
  })

  it('another database: it has another id', async () => {
    const one = await world()
    const other = await world()
    const tx = one.transaction()
    await postgresBranch(tx, LEDGER, other.pool, async () => {})
    expect(tx.branchOpened.resourceId).toBe(other.resourceId)
    expect(tx.branchOpened.resourceId).not.toBe(one.resourceId)
    await tx.rollBack()
  })

  it("whichever schema the application looks in first, the witness is the daemon's", async () => {
    const { url, participant, transaction } = await world()
    await psql(url, 'CREATE SCHEMA app')
    const elsewhere = new URL(url)
    elsewhere.searchParams.set('options', '-c search_path=app')
    const tx = transaction()
    await postgresBranch(tx, LEDGER, poolAt(elsewhere.href), (sql) =>
      sql.query(`UPDATE public.accounts SET balance = 1`),
    )
    await tx.prepare()
    await tx.commit()
    expect(await participant.evidence?.(tx.xid)).toBe('witness_committed')
  })

  it('a server that can not prepare', async () => {
    const server = await startPostgres({ settings: { max_prepared_transactions: '0' } })
    onTestFinished(() => server.stop())
    const pool = new pg.Pool({ connectionString: await server.createDatabase('unprepared'), max: 1 })
    const tx = new TestTransaction(freshLog().xid(1))
    await expect(postgresBranch(tx, LEDGER, pool, async () => {})).rejects.toThrow(
      /max_prepared_transactions at 0/,
    )
    await pool.end()
  })

  it('a pool without a free connection: it is waited for as long as the transaction has time', async () => {
    const { url, pool, transaction } = await world()
    const held = await pool.connect()
    const tx = transaction({ timeoutMs: 50 })
    await expect(postgresBranch(tx, LEDGER, pool, async () => {})).rejects.toThrow(
      /no connection of the pool became free/,
    )
    held.release()
    await expectClean(pool)
    expect(await balance(url)).toBe(100)
  })
})
