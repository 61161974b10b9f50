/** A branch on the application's own connection, step by step, against a real PostgreSQL. */
import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { LEDGER, psql } from '../../testing/servers/postgres.ts'
import { balance, DEBIT, expectClean, prepared, world } from '../../testing/servers/postgres-application.ts'
import { postgresBranch } from './index.ts'

describe("a branch on the application's own connection", () => {
  it('is prepared with its witness, and commits, and the pool has its connection back', async () => {
    const { url, pool, participant, resourceId, transaction } = await world()
    const tx = transaction()
    const rowCount = await postgresBranch(tx, LEDGER, pool, async (sql) => (await sql.query(DEBIT)).rowCount)
    expect(rowCount).toBe(1)
    expect(tx.branchOpened.resourceId).toBe(resourceId)
    expect(await tx.prepare()).toBe('prepared')
    expect(await prepared(url)).toEqual([{ gid: `pledged/${tx.xid}/${LEDGER}` }])
    expect(await balance(url)).toBe(100)
    expect((await participant.listPrepared(10, '')).branches.map(({ xid }) => xid)).toEqual([tx.xid])
    expect(await tx.commit()).toBe(true)
    expect(await balance(url)).toBe(90)
    expect(await participant.evidence?.(tx.xid)).toBe('witness_committed')
    expect((await participant.commit(tx.xid)).result).toBe('done_before')
    await expectClean(pool)
  })

  it('rolls back, prepared or not', async () => {
    const { url, pool, transaction } = await world()
    const open = transaction()
    await postgresBranch(open, LEDGER, pool, (sql) => sql.query(DEBIT))
    expect(await open.rollBack()).toBe(true)
    const pledged = transaction()
    await postgresBranch(pledged, LEDGER, pool, (sql) => sql.query(DEBIT))
    await pledged.prepare()
    expect(await pledged.rollBack()).toBe(true)
    expect(await prepared(url)).toEqual([])
    expect(await balance(url)).toBe(100)
    expect(await psql(url, 'SELECT FROM pledged_witness')).toEqual([])
    await expectClean(pool)
  })

  it('is not prepared where it wrote nothing, however it read', async () => {
    const { url, pool, transaction } = await world()
    const reading = transaction()
    await postgresBranch(reading, LEDGER, pool, (sql) => sql.query('SELECT * FROM accounts'))
    expect(await reading.prepare()).toBe('read_only')
    const inVain = transaction()
    await postgresBranch(inVain, LEDGER, pool, (sql) =>
      sql.query('UPDATE accounts SET balance = 1 WHERE id = 99'),
    )
    expect(await inVain.prepare()).toBe('read_only')
    const nothing = transaction()
    await postgresBranch(nothing, LEDGER, pool, async () => {})
    expect(await nothing.prepare()).toBe('read_only')
    expect(await prepared(url)).toEqual([])
    await expectClean(pool)
  })

  it('is prepared where a SELECT wrote, by a function', async () => {
    const { url, pool, transaction } = await world()
    await psql(url, `CREATE FUNCTION debit() RETURNS void LANGUAGE sql AS $$ ${DEBIT} $$`)
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, (sql) => sql.query('SELECT debit()'))
    expect(await tx.prepare()).toBe('prepared')
    expect(await tx.commit()).toBe(true)
    expect(await balance(url)).toBe(90)
  })

  it('goes on in the same transaction when it is called again, nested or not', async () => {
    const { url, pool, transaction } = await world()
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, async (sql) => {
      await sql.query('INSERT INTO accounts VALUES (3, 1)')
      await postgresBranch(tx, LEDGER, pool, (same) =>
        same.query('UPDATE accounts SET balance = 2 WHERE id = 3'),
      )
    })
    await postgresBranch(tx, LEDGER, pool, (sql) => sql.query(DEBIT))
    await tx.prepare()
    await tx.commit()
    expect(await psql(url, 'SELECT balance FROM accounts WHERE id IN (1, 3) ORDER BY id')).toEqual([
      { balance: 90 },
      { balance: 2 },
    ])
  })

  it('lets the application choose its isolation, and use savepoints', async () => {
    const { url, pool, transaction } = await world()
    const tx = transaction()
    await postgresBranch(tx, LEDGER, pool, async (sql) => {
      await sql.query('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE')
      await sql.query('SAVEPOINT a')
      await sql.query('INSERT INTO accounts VALUES (1, 1)').catch(() => {})
      await sql.query('ROLLBACK TO SAVEPOINT a')
      await sql.query(DEBIT)
    })
    expect(await tx.prepare()).toBe('prepared')
    expect(await tx.commit()).toBe(true)
    expect(await balance(url)).toBe(90)
  })

  it('takes a client that is connected, and leaves it connected', async () => {
    const { url, transaction } = await world()
    const client = new pg.Client({ connectionString: url })
    const unconnected = transaction()
    await expect(postgresBranch(unconnected, LEDGER, client, (sql) => sql.query(DEBIT))).rejects.toThrow(
      /not connected/,
    )
    await client.connect()
    onTestFinished(() => client.end())
    const tx = transaction()
    await postgresBranch(tx, LEDGER, client, async (sql) => {
      await sql.query(DEBIT)
      await expect(postgresBranch(transaction(), LEDGER, client, async () => {})).rejects.toThrow(
        /another branch/,
      )
    })
    await tx.prepare()
    await tx.commit()
    await client.query('BEGIN')
    await expect(postgresBranch(transaction(), LEDGER, client, async () => {})).rejects.toThrow(
      /in a transaction/,
    )
    await client.query('ROLLBACK')
    expect((await client.query('SELECT balance FROM accounts WHERE id = 1')).rows).toEqual([{ balance: 90 }])
  })
})
