/**
 * The mysql participant: a database in MariaDB or MySQL takes part in transactions. MariaDB 10.11 is what it was tried
 * with; for MySQL 8.0 it follows the manual.
 *
 * Work, as JSON: `{ "statements": [ { "sql": "INSERT ... VALUES (?, ?)", "params": [1, "x"], "expect_rows": 1 } ] }`, run
 * in order in one XA branch, `XA START 'pledged/<xid>','<branch>'`, which `XA PREPARE` makes the pledge; `expect_rows` is
 * the number of rows that were found and changed (by a SELECT: returned; ON DUPLICATE KEY UPDATE and REPLACE count as
 * the server counts them). With `statements` configured it takes only `{ "name": "add_sale", "params": [...] }`. A
 * parameter is null, a boolean, a number, a string, or `{"int64": "9223372036854775807"}`, `{"float64": 1}`,
 * `{"base64": "AAE="}`.
 *
 * What to know:
 * - The server needs innodb_flush_log_at_trx_commit = 1 and, with the binary log, sync_binlog = 1; MariaDB 10.5.2 or
 *   MySQL 8.0.11 at least; no Galera. On MySQL the user needs XA_RECOVER_ADMIN. Where it may not make its tables
 *   `pledged_witness`, `pledged_logs` and `pledged_meta`, the refusal says what to run.
 * - Work runs under sql_mode STRICT_TRANS_TABLES, ERROR_FOR_DIVISION_BY_ZERO, NO_ENGINE_SUBSTITUTION, whatever the server's
 *   default is; the isolation is the server's.
 * - A no vote, with the reason: a statement that is not INSERT, UPDATE, DELETE, REPLACE, WITH or SELECT; comments that
 *   are executed; user variables and locks by name, which outlive a branch; whatever may write a table whose engine has
 *   no XA (MyISAM, Aria, MEMORY), also through a view, a trigger or a routine. For those that the user may not see
 *   (TRIGGER, SHOW VIEW, EXECUTE) the vote is no after the fact, and the change stays.
 * - Work of SELECTs that wrote nothing votes read-only and is rolled back: what it read isn't locked.
 * - A branch keeps its connection from prepare to its end, since MariaDB lets no other session end it before: `poolSize`
 *   bounds the branches in doubt at once (12 of 16 connections; ./limits.ts). A connection that was cut off leaves a session
 *   at the server: it is killed, which a user may do with his own.
 * - A statement waits for a lock for `lockTimeoutMs` at most, in whole seconds: deadlocks across databases have no other
 *   end.
 * - A pledge in doubt holds its locks; with the right PROCESS the scan says how many.
 * - The durable id of the database is a row of it: a copy of a MariaDB database, restored on another server under the
 *   same name, is taken for the original (on MySQL the server's uuid tells them apart). Failover to a server that may
 *   not have received a pledge breaks it.
 */
import type { Participant } from '../../src/sdk/participant/index.ts'
import { type ServerParticipantOptions, serverLimitsOf } from '../shared/servers/options.ts'
import { createServerParticipant } from '../shared/servers/server-participant.ts'
import { checkNamedStatements, decodeStatementWork } from '../shared/statement-work.ts'
import { parseDatabaseUrl } from './connection-url.ts'
import { MysqlStore } from './mysql-store.ts'
import { checkBranchName } from './names.ts'
import { inspectStatement } from './statement-text.ts'

/** Throws CONFIGURATION where the url or a named statement can't be taken. Nothing is connected to before `describe`. */
export function createMysqlParticipant(options: ServerParticipantOptions): Participant {
  const limits = serverLimitsOf(options)
  const { name, url, statements, poolSize = limits.poolSize, lockTimeoutMs = limits.lockTimeoutMs } = options
  const branch = checkBranchName(name)
  if (statements !== undefined) checkNamedStatements(statements, inspectStatement)
  const address = parseDatabaseUrl(url, name)
  return createServerParticipant({
    kind: 'mysql',
    store: new MysqlStore({ branch, address, poolSize, lockTimeoutMs, limits }),
    decode: (work) =>
      decodeStatementWork(work, {
        inspect: inspectStatement,
        named: statements,
        workEntriesMax: limits.workEntriesMax,
      }),
    limits,
  })
}
