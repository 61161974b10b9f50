/**
 * The sqlite participant: a user's SQLite database takes part in transactions.
 *
 * Work, as JSON: `{ "statements": [ { "sql": "INSERT ...", "params": [1, "x"], "expect_rows": 1 } ] }`, run in
 * order; `expect_rows` is the number of rows changed (or, by a SELECT, returned). With `statements` configured it
 * takes only `{ "name": "add_sale", "params": [...] }`. A parameter is null, a boolean (stored as 1 or 0), a
 * number, a string, or what JSON has no literal for: `{"int64": "9223372036854775807"}`, `{"float64": 1}`,
 * `{"base64": "AAE="}`.
 *
 * SQLite has no prepare. The statements are run in a transaction that is rolled back, and what they changed is
 * recorded as values (random() and datetime('now') are those of the prepare); the record is proved to apply, and
 * forced to disk in the database itself: that is the pledge. Commit applies it and writes the witness in one
 * transaction.
 *
 * What to know:
 * - The participant is exclusive: one pledge at a time. An older transaction of the same log waits, a younger one
 *   is voted no, retryable (R13). Reads are never locked out.
 * - While a pledge stands, triggers on every table refuse all other writers, in whatever program, with a
 *   sentence. They and the tables `pledged_*` belong to Pledged. Writers that go around triggers, and changes of
 *   the schema (which no trigger can refuse), break a pledge: the commit then ends `broken`, and the recorded
 *   changes are kept.
 * - Foreign keys are enforced for the branch's statements, also where the database's other users leave them off.
 * - A no vote, with the reason: a table without a PRIMARY KEY; a row with NULL in its primary key; a virtual
 *   table; a table with triggers of the user's (a view's INSTEAD OF triggers are fine); changes of the schema;
 *   transaction control; more than one statement in an entry; a change of a key that SQLite's session takes for
 *   the same (another spelling under NOCASE, 1 for 1.0).
 * - Node 22 carries a SQLite that can't record generated columns, nor unique values that change places within one
 *   branch: such work is voted no there.
 * - A rowid that isn't the primary key is drawn at the commit.
 * - Work that changes nothing is voted read-only: what it read isn't locked.
 * - The file is opened with node:sqlite. No other SQLite library may open it in the same process: closing it
 *   there would drop this one's locks (R8). Other processes may use any.
 */
import type { Participant } from '../../src/sdk/participant/index.ts'
import { limitsOf, type SqliteFileOptions } from '../shared/files/limits.ts'
import { createPledgeParticipant } from '../shared/files/pledge-participant.ts'
import { checkNamedStatements, type NamedStatements } from '../shared/statement-work.ts'
import { sqliteResourceKind } from './sqlite-resource.ts'
import { inspectStatement } from './statement-text.ts'

export interface SqliteParticipantOptions extends SqliteFileOptions {
  /** Named statements. Given, work may contain these and no other. */
  readonly statements?: NamedStatements | undefined
}

/** Throws CONFIGURATION where a named statement can't be taken. */
export function createSqliteParticipant(options: SqliteParticipantOptions): Participant {
  if (options.statements !== undefined) checkNamedStatements(options.statements, inspectStatement)
  const limits = limitsOf(options)
  return createPledgeParticipant({ resourceKind: sqliteResourceKind({ ...options, limits }), limits })
}
