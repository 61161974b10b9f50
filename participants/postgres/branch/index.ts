/**
 * `pledged/postgres`: a branch of a transaction on the application's own connection to PostgreSQL, with the driver `pg`.
 *
 * ```ts
 * await coordinator.transaction(async (tx) => {
 *   await postgresBranch(tx, 'ledger', pool, (sql) => sql.query('INSERT INTO sale VALUES ($1)', [1]))
 * })
 * ```
 *
 * What to rely on:
 * - `work` gets a connection of the pool, or the client, in a transaction of its own; whoever is called with the same
 *   participant again within the transaction gets the same. It is pg's own client but for what would end the
 *   transaction: BEGIN, COMMIT, ROLLBACK, end(). SAVEPOINT and SET TRANSACTION ISOLATION LEVEL are allowed, release() does
 *   nothing. After the callback it refuses everything.
 * - `lock_timeout`, `statement_timeout` and `idle_in_transaction_session_timeout` end what outlasts the transaction's time.
 * - Errors of `work` come through as they are. A statement that it didn't await is waited for, and fails it.
 * - At the transaction's end the branch is prepared, with its witness, in one round trip, and committed in another, on the
 *   same connection. One that wrote nothing is rolled back instead.
 * - The connection goes back to its pool in no transaction. One of which nobody knows whether it has prepared is closed.
 *
 * What it needs: the daemon has the database as a participant of kind `postgres` under that name, which has made its
 * tables; the application uses the same role as the daemon's url, since PostgreSQL lets only that one (or a superuser) end
 * what was prepared; and the server's own sessions, not those of a pooler that shares them out by transaction.
 */
import type { PoolClient } from 'pg'
import type { Transaction } from '../../../src/sdk/client/index.ts'
import { runGuarded } from '../../shared/connections/guarded-work.ts'
import type { BranchOptions } from '../../shared/connections/options.ts'
import { PostgresBranchOpening } from './opening.ts'
import type { PostgresSource } from './source.ts'

export type { BranchOptions } from '../../shared/connections/options.ts'
export type { PostgresSource } from './source.ts'

/**
 * Runs `work` in the transaction's branch of `participant`, on a connection of `source`, and returns what it returns.
 *
 * Throws what `work` throws; PledgedError CONFIGURATION where no branch can run there; INVALID_REQUEST for a client that is
 * in a transaction, or isn't connected. Whatever it throws, the transaction can only abort.
 */
export function postgresBranch<T>(
  transaction: Transaction,
  participant: string,
  source: PostgresSource,
  work: (sql: PoolClient) => Promise<T>,
  options: BranchOptions = {},
): Promise<T> {
  return runGuarded(transaction, new PostgresBranchOpening(participant, source, options), work)
}
