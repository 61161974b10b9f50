/**
 * What a consumer does with one batch: its events go into the sink in one database, and its offset is moved in the other, from
 * where it has to be. Odd workers the other way round. Each row says by which transaction it was put there.
 */
import type mysql from 'mysql2/promise'
import type { ResultSetHeader } from 'mysql2/promise'
import type pg from 'pg'
import { mysqlBranch } from '../../participants/mysql/branch/index.ts'
import { postgresBranch } from '../../participants/postgres/branch/index.ts'
import type { Transaction } from '../../src/sdk/client/index.ts'
import { offsetsOf, type ParticipantName, sinkOf } from '../real-databases/work.ts'

export interface Pools {
  readonly ledger: pg.Pool
  readonly stock: mysql.Pool
}

export interface Batch {
  readonly worker: number
  /** Its first event: where the offset is. */
  readonly from: number
  readonly events: number
}

/** The callback's own: it must come out of `transaction` as it is. */
export class OwnError extends Error {
  override readonly name = 'OwnError'
}

/** Both branches at once, as an application may well do. */
export async function consume(tx: Transaction, pools: Pools, batch: Batch): Promise<void> {
  const { worker } = batch
  const [sink, offsets] = [STATEMENTS[sinkOf(worker)](pools), STATEMENTS[offsetsOf(worker)](pools)]
  const results = await Promise.allSettled([sink.insert(tx, batch), offsets.move(tx, batch)])
  for (const result of results) if (result.status === 'rejected') throw result.reason
  const [, moved] = results.map((result) => (result.status === 'fulfilled' ? result.value : 0))
  if (moved !== 1) throw new OwnError(`the offset of worker ${worker} is not ${batch.from} any more`)
}

/** Where the worker's offset is now. */
export async function readOffset(pools: Pools, worker: number): Promise<number> {
  const sql = `SELECT position FROM positions WHERE worker = ${worker}`
  if (offsetsOf(worker) === 'ledger') {
    const { rows } = await pools.ledger.query<{ readonly position: string }>(sql)
    return Number(rows[0]?.position)
  }
  const [rows] = await pools.stock.query(sql)
  return Number((rows as { readonly position?: number }[])[0]?.position)
}

interface Statements {
  insert(tx: Transaction, batch: Batch): Promise<number>
  /** Compare and set: how many rows were moved. */
  move(tx: Transaction, batch: Batch): Promise<number>
}

const STATEMENTS: Readonly<Record<ParticipantName, (pools: Pools) => Statements>> = {
  ledger: ({ ledger }) => ({
    insert: (tx, batch) =>
      postgresBranch(tx, 'ledger', ledger, async (sql) => {
        const values = eventsOf(batch).map((event) => `(${batch.worker}, ${event}, '${tx.xid}')`)
        const { rowCount } = await sql.query(
          `INSERT INTO events (worker, event, xid) VALUES ${values.join(', ')}`,
        )
        return rowCount ?? 0
      }),
    move: (tx, { worker, from, events }) =>
      postgresBranch(tx, 'ledger', ledger, async (sql) => {
        const moved = await sql.query(
          'UPDATE positions SET position = position + $1 WHERE worker = $2 AND position = $3',
          [events, worker, from],
        )
        return moved.rowCount ?? 0
      }),
  }),
  stock: ({ stock }) => ({
    insert: (tx, batch) =>
      mysqlBranch(tx, 'stock', stock, async (sql) => {
        const rows = eventsOf(batch).map((event) => [batch.worker, event, tx.xid])
        const [inserted] = await sql.query<ResultSetHeader>(
          'INSERT INTO events (worker, event, xid) VALUES ?',
          [rows],
        )
        return inserted.affectedRows
      }),
    move: (tx, { worker, from, events }) =>
      mysqlBranch(tx, 'stock', stock, async (sql) => {
        const [moved] = await sql.execute<ResultSetHeader>(
          'UPDATE positions SET position = position + ? WHERE worker = ? AND position = ?',
          [events, worker, from],
        )
        return moved.affectedRows
      }),
  }),
}

function eventsOf({ from, events }: Batch): readonly number[] {
  return Array.from({ length: events }, (_, index) => from + index)
}
