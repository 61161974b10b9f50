/** What an application must not do with a branch's connection, and what it is told. */
import callbacks from 'mysql2'
import mysql from 'mysql2/promise'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { PledgedError } from '../../../src/sdk/participant/index.ts'
import { TestTransaction } from '../../testing/servers/application-branch.ts'
import { freshLog } from '../../testing/servers/fresh-log.ts'
import { seededDatabase, sql } from '../../testing/servers/mysql.ts'
import {
  balance,
  DEBIT,
  expectClean,
  poolAt,
  prepared,
  settings,
  world,
} from '../../testing/servers/mysql-application.ts'
import { LEDGER } from '../../testing/servers/postgres.ts'
import { mysqlBranch } from './index.ts'

const CONTROL = [
  'BEGIN',
  'start transaction read only',
  '/* it is over */ COMMIT',
  'ROLLBACK',
  'ROLLBACK WORK',
  "XA END 'x'",
  'SET autocommit = 1',
  'SET @@session.autocommit = 1',
]

const KEY_TAKEN = 'INSERT INTO accounts VALUES (1, 1)'

describe("what isn't for a branch", () => {
  it.each(CONTROL)('%s', async (statement) => {
    const { pool, transaction } = await world()
    const before = await settings(pool)
    const tx = transaction()
    await mysqlBranch(tx, LEDGER, pool, async (connection) => {
      await connection.query(DEBIT)
      await expect(connection.query(statement)).rejects.toThrow(
        /is not for a branch: Pledged has begun its transaction/,
      )
      await expect(connection.execute({ sql: statement })).rejects.toThrow(PledgedError)
    })
    expect(await tx.prepare()).toBe('prepared')
    expect(await tx.rollBack()).toBe(true)
    await expectClean(pool, before)
  })

  it('what would end the connection, or its session; to give it back does nothing', async () => {
    const { url, pool, transaction } = await world()
    const tx = transaction()
    await mysqlBranch(tx, LEDGER, pool, async (connection) => {
      connection.release()
      for (const method of ['beginTransaction', 'commit', 'rollback', 'reset'] as const) {
        await expect(connection[method]()).rejects.toThrow(/is not for a branch/)
      }
      await expect(connection.prepare('SELECT 1')).rejects.toThrow(/use execute\(\)/)
      await expect(connection.changeUser({ user: 'x' })).rejects.toThrow(/the session is the branch's/)
      expect(() => connection.destroy()).toThrow(/destroy\(\) is not for a branch/)
      await connection.query(DEBIT)
      await connection.query('SAVEPOINT a')
      await connection.query(DEBIT)
      await connection.query('ROLLBACK TO SAVEPOINT a')
    })
    await tx.prepare()
    await tx.commit()
    expect(await balance(url)).toBe(90)
  })

  it('the connection, once the branch has ended, by whichever way one asks', async () => {
    const { url, transaction } = await world()
    const pool = callbacks.createPool({ uri: url, connectionLimit: 1 })
    onTestFinished(() => pool.promise().end())
    const tx = transaction()
    const kept = await mysqlBranch(tx, LEDGER, pool, async (connection) => {
      await connection.promise().query(DEBIT)
      return connection
    })
    await tx.prepare()
    await tx.commit()
    const over = /its work has ended/
    const called = Promise.withResolvers<unknown>()
    kept.query(DEBIT, called.resolve)
    expect(await called.promise).toMatchObject({ message: expect.stringMatching(over) })
    expect(() => kept.query(DEBIT)).toThrow(over)
    expect(() => kept.promise()).toThrow(over)
    kept.release()
    expect(await balance(url)).toBe(90)
  })
})

describe('a statement that fails', () => {
  it('fails the work where nobody awaited it', async () => {
    const { url, pool, transaction } = await world()
    const before = await settings(pool)
    const tx = transaction()
    const work = mysqlBranch(tx, LEDGER, pool, async (connection) => {
      await connection.query(DEBIT)
      void connection.query(KEY_TAKEN)
    })
    await expect(work).rejects.toMatchObject({ errno: 1062 })
    expect(await tx.rollBack()).toBe(true)
    expect(await balance(url)).toBe(100)
    await expectClean(pool, before)
  })

  it("is the work's to handle where it was awaited: the rest is prepared", async () => {
    const { url, pool, transaction } = await world()
    const tx = transaction()
    await mysqlBranch(tx, LEDGER, pool, async (connection) => {
      await connection.query(DEBIT)
      await connection.query(KEY_TAKEN).catch(() => {})
    })
    expect(await tx.prepare()).toBe('prepared')
    expect(await tx.commit()).toBe(true)
    expect(await balance(url)).toBe(90)
  })
})

describe('what is found at the prepare', () => {
  it('a change that no abort takes back: an engine without transactions', async () => {
    const { url, pool, participant, transaction } = await world()
    const before = await settings(pool)
    await sql(url, 'CREATE TABLE notes (n INT) ENGINE=MyISAM')
    const tx = transaction()
    await mysqlBranch(tx, LEDGER, pool, async (connection) => {
      await connection.query(DEBIT)
      await connection.query('INSERT INTO notes VALUES (1)')
    })
    await expect(tx.prepare()).rejects.toThrow(/whose engine has no transactions/)
    expect(await tx.rollBack()).toBe(true)
    expect(await prepared(participant)).toEqual([])
    expect(await balance(url)).toBe(100)
    await expectClean(pool, before)
  })
})

describe('where no branch can run', () => {
  it('a database that the daemon has not opened', async () => {
    const url = await seededDatabase(inject('mariadbUrl'))
    const pool = poolAt(url)
    const tx = new TestTransaction(freshLog().xid(1))
    const work = mysqlBranch(tx, LEDGER, pool, async () => {})
    await expect(work).rejects.toThrow(/has no tables of Pledged, which the daemon makes: start it/)
    await expect(work).rejects.toMatchObject({ code: 'CONFIGURATION' })
    expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }])
  })

  it('another database: it has another id', async () => {
    const one = await world()
    const other = await world()
    const tx = one.transaction()
    await mysqlBranch(tx, LEDGER, other.pool, async () => {})
    expect(tx.branchOpened.resourceId).toBe(other.resourceId)
    expect(tx.branchOpened.resourceId).not.toBe(one.resourceId)
    await tx.rollBack()
  })

  it('a pool without a free connection: it is waited for as long as the transaction has time', async () => {
    const { pool, transaction } = await world()
    const before = await settings(pool)
    const held = await pool.getConnection()
    const tx = transaction({ timeoutMs: 50 })
    await expect(mysqlBranch(tx, LEDGER, pool, async () => {})).rejects.toThrow(
      /no connection of the pool became free/,
    )
    held.release()
    await expectClean(pool, before)
  })

  it('a connection that is used for the witness where the application has changed its database', async () => {
    const { url, participant, transaction } = await world()
    const connection = await mysql.createConnection({ uri: url })
    onTestFinished(() => connection.end())
    const tx = transaction()
    await mysqlBranch(tx, LEDGER, connection, async (own) => {
      await own.query(DEBIT)
      await own.query('USE information_schema')
    })
    expect(await tx.prepare()).toBe('prepared')
    expect(await tx.commit()).toBe(true)
    expect(await participant.evidence?.(tx.xid)).toBe('witness_committed')
  })
})
