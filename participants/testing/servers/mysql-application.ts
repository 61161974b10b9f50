/** For the tests of branches on an application's own connections to MariaDB: its pool, and the daemon's participant. */
import mysql from 'mysql2/promise'
import { expect, inject, onTestFinished } from 'vitest'
import type { Participant } from '../../../src/sdk/participant/index.ts'
import { TestTransaction, type TestTransactionOptions } from './application-branch.ts'
import { type FreshLog, freshLog } from './fresh-log.ts'
import { openLedger, seededDatabase, sql } from './mysql.ts'

export interface World {
  readonly url: string
  readonly pool: mysql.Pool
  /** The daemon's. It has made its tables. */
  readonly participant: Participant
  readonly resourceId: string
  readonly log: FreshLog
  readonly transaction: (options?: TestTransactionOptions) => TestTransaction
}

export function poolAt(url: string, connectionLimit = 1): mysql.Pool {
  const pool = mysql.createPool({ uri: url, connectionLimit })
  onTestFinished(() => pool.end())
  return pool
}

export async function world(poolSize = 1): Promise<World> {
  const url = await seededDatabase(inject('mariadbUrl'))
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
  return (await sql(url, 'SELECT balance FROM accounts WHERE id = 1'))[0]?.['balance']
}

export async function prepared(participant: Participant): Promise<readonly string[]> {
  return (await participant.listPrepared(100, '')).branches.map(({ xid }) => xid)
}

export const SETTINGS = `SELECT @@SESSION.innodb_lock_wait_timeout AS row_lock, @@SESSION.lock_wait_timeout AS table_lock,
  @@SESSION.wait_timeout AS idle, @@SESSION.in_transaction AS in_transaction`

/** In no transaction, and as the application left it. */
export async function expectClean(pool: mysql.Pool, before: unknown): Promise<void> {
  const [rows] = await pool.query(SETTINGS)
  expect(rows).toEqual(before)
}

export async function settings(pool: mysql.Pool): Promise<unknown> {
  return (await pool.query(SETTINGS))[0]
}
