/** What is told of branches in doubt, and what may be swept beside them. */
import { describe, expect, inject, it } from 'vitest'
import type { Participant } from '../../src/sdk/participant/index.ts'
import { freshLog } from '../testing/servers/fresh-log.ts'
import { consoleAt, openLedger, seededDatabase, sql } from '../testing/servers/mysql.ts'
import { prepareSql } from '../testing/servers/postgres.ts'

async function opened(url: string): Promise<Participant> {
  const participant = openLedger(url)
  await participant.describe()
  return participant
}

async function costOf(participant: Participant): Promise<string> {
  const { branches } = await participant.listPrepared(10, '')
  expect(branches).toHaveLength(1)
  return branches[0]?.cost ?? ''
}

const UPDATE = 'UPDATE accounts SET balance = 8'

describe('the cost of a branch in doubt', () => {
  it('is the rows that it changed, through a restart of the participant', async () => {
    const url = await seededDatabase(inject('mariadbUrl'))
    const { xid, identity } = freshLog()
    const participant = await opened(url)
    await participant.admit?.(identity)
    await prepareSql(participant, xid(1), [UPDATE])
    expect(await costOf(participant)).toMatch(/the locks of 2 changed rows/)
    const { branches } = await participant.listPrepared(10, '')
    await participant.close()
    const next = await opened(url)
    expect(await costOf(next)).toMatch(/the locks of 2 changed rows/)
    // Since when is kept in the database, not in the process.
    expect((await next.listPrepared(10, '')).branches[0]?.prepareTimeMs).toBe(branches[0]?.prepareTimeMs)
    expect(await next.abort(xid(1))).toMatchObject({ result: 'done' })
  })

  it('is what InnoDB counts, for a user who may see it', async () => {
    const url = await seededDatabase(inject('mariadbUrl'))
    const admin = new URL(inject('mariadbUrl'))
    admin.pathname = new URL(url).pathname
    const { xid } = freshLog()
    const participant = await opened(admin.href)
    await prepareSql(participant, xid(1), [UPDATE])
    // InnoDB shows a picture of these that is up to 100 ms old.
    await expect.poll(() => costOf(participant)).toMatch(/^holds [1-9][0-9]* row locks in 2 tables/)
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
  })
})

describe('a look at a witness (R3)', () => {
  it('sees nothing that is not committed, also after a scan that failed in the middle', async () => {
    const url = await seededDatabase(inject('mariadbUrl'))
    const { xid, identity } = freshLog()
    // A single connection for looks.
    const participant = openLedger(url, { poolSize: 3 })
    await participant.describe()
    await participant.admit?.(identity)
    await prepareSql(participant, xid(1), [UPDATE])
    const writer = await consoleAt(url)
    await writer.query('START TRANSACTION')
    await writer.query(
      `INSERT INTO pledged_witness (xid, branch, outcome) VALUES ('${xid(2)}', 'ledger', 'committed')`,
    )
    // It waits for both transactions, and whoever reads the table after it waits for it.
    const altering = await consoleAt(url)
    const altered = altering.query('ALTER TABLE pledged_witness COMMENT = "x", FORCE').catch(() => {})
    const state = `SELECT state FROM information_schema.processlist WHERE id = ${altering.threadId}`
    await expect
      .poll(async () => (await sql(url, state))[0]?.['state'])
      .toBe('Waiting for table metadata lock')
    await expect(participant.listPrepared(10, '')).rejects.toThrow(/lock/)
    await sql(url, `KILL QUERY ${altering.threadId}`)
    await altered
    expect(await participant.evidence?.(xid(2))).toBe('no_witness')
    await writer.query('ROLLBACK')
    expect(await participant.abort(xid(1))).toMatchObject({ result: 'done' })
  })
})

describe('an abort', () => {
  it('ends a session that stands idle before its pledge, as one whose process lost its power does', async () => {
    const url = await seededDatabase(inject('mariadbUrl'))
    const { xid } = freshLog()
    const participant = await opened(url)
    const silent = await consoleAt(url)
    await silent.query(`XA START 'pledged/${xid(1)}','ledger'`)
    await silent.query(UPDATE)
    await silent.query(
      `INSERT INTO pledged_witness (xid, branch, outcome, session_id) VALUES ('${xid(1)}', 'ledger', 'committed', CONNECTION_ID())`,
    )
    const abort = async () => (await participant.abort(xid(1))).result
    await expect.poll(abort, { timeout: 30_000 }).toMatch(/^done/)
    expect(await prepareSql(participant, xid(2), [UPDATE])).toEqual({ vote: 'yes' })
    expect(await participant.commit(xid(2))).toMatchObject({ result: 'done' })
  })
})

describe('the sweep of witnesses (R5)', () => {
  it('passes by what is prepared, whose lock it would wait for', async () => {
    const url = await seededDatabase(inject('mariadbUrl'))
    const { xid } = freshLog()
    const participant = await opened(url)
    const ids = Array.from({ length: 60 }, (_, index) => xid(100 + index))
    await Promise.all(ids.map((id) => participant.abort(id)))
    for (const id of [xid(120), xid(1), xid(9)]) {
      // Each of its own row.
      if (id === xid(120)) await participant.forget?.(id)
      const insert = `INSERT INTO accounts VALUES (1000 + ${id.split('.').at(-1) ?? ''}, 1)`
      expect(await prepareSql(participant, id, [insert])).toEqual({ vote: 'yes' })
    }
    await Promise.all([...ids, xid(1), xid(9)].map(async (id) => participant.forget?.(id)))
    const left = await sql(url, 'SELECT xid FROM pledged_witness')
    expect(left).toEqual([])
    for (const id of [xid(120), xid(1), xid(9)]) {
      expect(await participant.commit(id)).toMatchObject({ result: 'done', evidence: 'witness_committed' })
    }
    expect(await sql(url, 'SELECT xid FROM pledged_witness')).toHaveLength(3)
  })

  it('takes as many at once as there may be in one statement', async () => {
    const url = await seededDatabase(inject('mariadbUrl'))
    const { xid } = freshLog()
    const participant = await opened(url)
    const values = Array.from({ length: 1_200 }, (_, index) => `('${xid(index + 1)}', 'ledger', 'committed')`)
    await sql(url, `INSERT INTO pledged_witness (xid, branch, outcome) VALUES ${values.join(', ')}`)
    await Promise.all(Array.from({ length: 1_199 }, async (_, index) => participant.forget?.(xid(index + 1))))
    expect(await sql(url, 'SELECT xid FROM pledged_witness')).toEqual([{ xid: xid(1_200) }])
  })
})
