/** A branch on the application's own connection, step by step, against a real MariaDB. */
import callbacks from 'mysql2'
import mysql, { type ResultSetHeader } from 'mysql2/promise'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Rows, sql } from '../../testing/servers/mysql.ts'
import {
  balance,
  DEBIT,
  expectClean,
  prepared,
  SETTINGS,
  settings,
  world,
} from '../../testing/servers/mysql-application.ts'
import { LEDGER } from '../../testing/servers/postgres.ts'
import { mysqlBranch } from './index.ts'

describe("a branch on the application's own connection", () => {
  it('is prepared with its witness, and commits, and the pool has its connection back', async () => {
    const { url, pool, participant, resourceId, transaction } = await world()
    const before = await settings(pool)
    const tx = transaction()
    const rows = await mysqlBranch(tx, LEDGER, pool, async (connection) => {
      const [{ affectedRows }] = await connection.execute<ResultSetHeader>(DEBIT)
      const [[own]] = (await connection.query(SETTINGS)) as unknown as [Rows]
      expect(own).toEqual({ row_lock: 5, table_lock: 5, idle: 20, in_transaction: 1 })
      return affectedRows
    })
    expect(rows).toBe(1)
    expect(tx.branchOpened.resourceId).toBe(resourceId)
    expect(await tx.prepare()).toBe('prepared')
    expect(await balance(url)).toBe(100)
    expect(await prepared(participant)).toEqual([tx.xid])
    expect(await tx.commit()).toBe(true)
    expect(await balance(url)).toBe(90)
    expect(await participant.evidence?.(tx.xid)).toBe('witness_committed')
    expect((await participant.commit(tx.xid)).result).toBe('done_before')
    await expectClean(pool, before)
  })

  it('rolls back, prepared or not', async () => {
    const { url, pool, participant, transaction } = await world()
    const before = await settings(pool)
    const open = transaction()
    await mysqlBranch(open, LEDGER, pool, (connection) => connection.query(DEBIT))
    expect(await open.rollBack()).toBe(true)
    await expectClean(pool, before)
    const pledged = transaction()
    await mysqlBranch(pledged, LEDGER, pool, (connection) => connection.query(DEBIT))
    await pledged.prepare()
    expect(await pledged.rollBack()).toBe(true)
    await expectClean(pool, before)
    expect(await prepared(participant)).toEqual([])
    expect(await balance(url)).toBe(100)
    expect(await sql(url, 'SELECT 1 FROM pledged_witness')).toEqual([])
  })

  it('is not prepared where it only read', async () => {
    const { pool, participant, transaction } = await world()
    const before = await settings(pool)
    const reading = transaction()
    await mysqlBranch(reading, LEDGER, pool, (connection) => connection.query('SELECT * FROM accounts'))
    expect(await reading.prepare()).toBe('read_only')
    const nothing = transaction()
    await mysqlBranch(nothing, LEDGER, pool, async () => {})
    expect(await nothing.prepare()).toBe('read_only')
    expect(await prepared(participant)).toEqual([])
    await expectClean(pool, before)
  })

  it('is prepared where a SELECT wrote, by a function', async () => {
    const { url, pool, transaction } = await world()
    await sql(url, `CREATE FUNCTION debit() RETURNS INT MODIFIES SQL DATA BEGIN ${DEBIT}; RETURN 1; END`)
    const tx = transaction()
    await mysqlBranch(tx, LEDGER, pool, (connection) => connection.query('SELECT debit()'))
    expect(await tx.prepare()).toBe('prepared')
    expect(await tx.commit()).toBe(true)
    expect(await balance(url)).toBe(90)
  })

  it('takes every face of the driver, and gives the same', async () => {
    const { url, transaction } = await world()
    const connection = await mysql.createConnection({ uri: url })
    const callbackPool = callbacks.createPool({ uri: url, connectionLimit: 1 })
    const callbackConnection = callbacks.createConnection({ uri: url })
    onTestFinished(async () => {
      await connection.end()
      callbackPool.end()
      callbackConnection.destroy()
    })
    const one = transaction()
    await mysqlBranch(one, LEDGER, connection, async (own) => {
      await own.query(DEBIT)
      await expect(mysqlBranch(transaction(), LEDGER, connection, async () => {})).rejects.toThrow(
        /another one/,
      )
    })
    await one.prepare()
    expect(await one.commit()).toBe(true)
    for (const source of [callbackPool, callbackConnection]) {
      const tx = transaction()
      await mysqlBranch(tx, LEDGER, source, async (own) => {
        const done = Promise.withResolvers<void>()
        own.query(DEBIT, (error) => (error === null ? done.resolve() : done.reject(error)))
        await done.promise
        await own.promise().query(DEBIT)
      })
      await tx.prepare()
      expect(await tx.commit()).toBe(true)
    }
    await connection.query('START TRANSACTION')
    await connection.query(DEBIT)
    await expect(mysqlBranch(transaction(), LEDGER, connection, async () => {})).rejects.toThrow(
      /in a transaction/,
    )
    await connection.query('ROLLBACK')
    expect(await balance(url)).toBe(50)
  })
})
