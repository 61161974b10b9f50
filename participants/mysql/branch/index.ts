/**
 * `pledged/mysql`: a branch of a transaction on the application's own connection to MariaDB or MySQL, with the driver
 * `mysql2`, by its promises or its callbacks.
 *
 * ```ts
 * await coordinator.transaction(async (tx) => {
 *   await mysqlBranch(tx, 'stock', pool, (sql) => sql.execute('UPDATE stock SET pieces = pieces - 1 WHERE item = ?', [7]))
 * })
 * ```
 *
 * What to rely on:
 * - `work` gets a connection of the pool, or the connection, in an XA branch; whoever is called with the same participant
 *   again within the transaction gets the same. It is mysql2's own but for what would end the transaction
 *   (beginTransaction(), commit(), rollback(), COMMIT, XA ...), end(), destroy(), changeUser(), reset() and prepare();
 *   execute() is allowed, SAVEPOINT is, release() does nothing. The server itself refuses what commits by the way (DDL).
 *   After the callback it refuses everything.
 * - `innodb_lock_wait_timeout`, `lock_wait_timeout` and `wait_timeout` are lowered for the branch, and put back.
 * - Errors of `work` come through as they are. A statement that fails doesn't fail the branch, as everywhere in MySQL, if
 *   `work` handles it; one that `work` didn't await is waited for, and fails it.
 * - At the transaction's end the branch is prepared, with its witness, and committed on the same connection: on MariaDB one
 *   round trip each, on MySQL six for the first. One of SELECTs that wrote nothing is rolled back instead; an UPDATE that
 *   found no row is prepared.
 * - The connection goes back to its pool in no transaction. One of which nobody knows whether it has prepared is closed.
 *
 * What it needs: the daemon has the database as a participant of kind `mysql` under that name, which has made its tables;
 * the application uses the same user and the same database as the daemon's url.
 */
import type { PoolConnection as CallbackPoolConnection } from 'mysql2'
import type { PoolConnection } from 'mysql2/promise'
import type { Transaction } from '../../../src/sdk/client/index.ts'
import { runGuarded } from '../../shared/connections/guarded-work.ts'
import type { BranchOptions } from '../../shared/connections/options.ts'
import { MysqlBranchOpening } from './opening.ts'
import type { CallbackSource, MysqlSource, PromiseSource } from './source.ts'

export type { BranchOptions } from '../../shared/connections/options.ts'
export type { CallbackSource, MysqlSource, PromiseSource } from './source.ts'

/**
 * Runs `work` in the transaction's branch of `participant`, on a connection of `source`, and returns what it returns.
 *
 * Throws what `work` throws; PledgedError CONFIGURATION where no branch can run there; INVALID_REQUEST for a connection that
 * is in a transaction. Whatever it throws, the transaction can only abort.
 */
export function mysqlBranch<T>(
  transaction: Transaction,
  participant: string,
  source: PromiseSource,
  work: (sql: PoolConnection) => Promise<T>,
  options?: BranchOptions,
): Promise<T>
export function mysqlBranch<T>(
  transaction: Transaction,
  participant: string,
  source: CallbackSource,
  work: (sql: CallbackPoolConnection) => Promise<T>,
  options?: BranchOptions,
): Promise<T>
export function mysqlBranch<T>(
  transaction: Transaction,
  participant: string,
  source: MysqlSource,
  work: (sql: never) => Promise<T>,
  options: BranchOptions = {},
): Promise<T> {
  const opening = new MysqlBranchOpening(participant, source, options)
  return runGuarded(transaction, opening, work as (connection: unknown) => Promise<T>)
}
