/** For the tests of branches on an application's own connections to PostgreSQL: its pool, and the daemon's participant. */
import pg from 'pg'
import { expect, inject, onTestFinished } from 'vitest'
import type { Participant } from '../../../src/sdk/participant/index.ts'
import { TestTransaction, type TestTransactionOptions } from './application-branch.ts'
import { type FreshLog, freshLog } from './fresh-log.ts'
import { openLedger, psql, seededDatabase } from './postgres.ts'

export interface World {
  readonly url: string
  readonly pool: pg.Pool
  /** The daemon's. It has made its tables. */
  readonly participant: Participant
  readonly resourceId: string
  readonly log: FreshLog
  readonly transaction: (options?: TestTransactionOptions) => TestTransaction
}

export function poolAt(url: string, max = 1): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max })
  pool.on('error', () => {})
  onTestFinished(() => pool.end())
  return pool
}

export async function world(poolSize = 1): Promise<World> {
  const url = await seededDatabase(inject('postgresUrl'))
  const participant = openLedger(url)
  const { resourceId } = await participant.describe()
  const log = freshLog()
  let sequence = 0
  const transaction = (options?: TestTransactionOptions): TestTransaction => {
    sequence += 1
    return new TestTransaction(log.xid(sequence), options)
  }
  return { url, pool: poolAt(url, poolSize), participant, resourceId, log, transaction }
}

export const DEBIT = 'UPDATE accounts SET balance = balance - 10 WHERE id = 1'

export async function balance(url: string): Promise<unknown> {
  return (await psql(url, 'SELECT balance FROM accounts WHERE id = 1'))[0]?.['balance']
}

export function prepared(url: string): Promise<readonly Record<string, unknown>[]> {
  return psql(url, 'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()')
}

/** In no transaction, and as the application left it. */
export async function expectClean(pool: pg.Pool): Promise<void> {
  await expect.poll(() => pool.totalCount - pool.idleCount).toBe(0)
  const client = await pool.connect()
  try {
    expect(client.getTransactionStatus()).toBe('I')
    const { rows } = await client.query(`
      SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement,
             current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('pledged.branch', true) AS mark`)
    expect(rows).toEqual([{ lock: '0', statement: '0', idle: '0', mark: expect.toSatisfy((mark) => !mark) }])
  } finally {
    client.release()
  }
}
