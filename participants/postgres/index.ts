/**
 * The postgres participant: a database in PostgreSQL 12 or later takes part in transactions.
 *
 * Work, as JSON: `{ "statements": [ { "sql": "INSERT ... VALUES ($1, $2)", "params": [1, "x"], "expect_rows": 1 } ] }`, run in
 * order in one transaction, which `PREPARE TRANSACTION 'pledged/<xid>/<branch>'` makes the pledge; `expect_rows` is the
 * number of rows changed (or, by a SELECT, returned). With `statements` configured it takes only
 * `{ "name": "add_sale", "params": [...] }`. A parameter is null, a boolean, a number, a string, or
 * `{"int64": "9223372036854775807"}`, `{"float64": 1}`, `{"base64": "AAE="}`; PostgreSQL gives it the type of its place.
 *
 * What to know:
 * - The server needs max_prepared_transactions above 0 and fsync on; it must be the primary.
 * - Two tables are made in the user's schema: `pledged_witness` (how each branch ended; its row commits with the branch)
 *   and `pledged_logs` (which coordinators are known). Where the user may not make them, the refusal says what to run.
 * - The role that prepares a branch ends it: change the role only when nothing is in doubt.
 * - The isolation is the role's default_transaction_isolation. At serializable, a pledge can fail with 40001: a no vote
 *   that says it may be tried again.
 * - A branch that wrote nothing votes read-only and is rolled back: what it read isn't locked, and a pg_notify in it is
 *   not sent. Where it wrote, PostgreSQL refuses to prepare after NOTIFY.
 * - A pledge in doubt holds its locks and holds back vacuum: the scan says by how much.
 * - A statement waits for a lock for `lockTimeoutMs` at most: deadlocks across databases have no other end.
 * - What work leaves in a session (SET by set_config, advisory locks, temporary tables) is discarded.
 * - Failover to a server that may not have received a pledge breaks it: use synchronous replication.
 */
import { type Participant, PledgedError } from '../../src/sdk/participant/index.ts'
import { type ServerParticipantOptions, serverLimitsOf } from '../shared/servers/options.ts'
import { createServerParticipant } from '../shared/servers/server-participant.ts'
import { checkNamedStatements, decodeStatementWork } from '../shared/statement-work.ts'
import { parseDatabaseUrl } from './connection-url.ts'
import { checkBranchName } from './names.ts'
import { POOL_SIZE_MIN, PostgresStore } from './postgres-store.ts'
import { inspectStatement } from './statement-text.ts'

/** Throws CONFIGURATION where the url or a named statement can't be taken. Nothing is connected to before `describe`. */
export function createPostgresParticipant(options: ServerParticipantOptions): Participant {
  const limits = serverLimitsOf(options)
  const { name, url, statements, poolSize = limits.poolSize, lockTimeoutMs = limits.lockTimeoutMs } = options
  const branch = checkBranchName(name)
  if (poolSize < POOL_SIZE_MIN) {
    throw new PledgedError(
      'CONFIGURATION',
      `participant "${name}" has a pool of ${poolSize} connections: it needs ${POOL_SIZE_MIN}, so that branches can end while others wait for locks`,
    )
  }
  if (statements !== undefined) checkNamedStatements(statements, inspectStatement)
  const address = parseDatabaseUrl(url, name)
  return createServerParticipant({
    kind: 'postgres',
    store: new PostgresStore({ branch, address, poolSize, lockTimeoutMs, limits }),
    decode: (work) =>
      decodeStatementWork(work, {
        inspect: inspectStatement,
        named: statements,
        workEntriesMax: limits.workEntriesMax,
      }),
    limits,
  })
}
