/** What a branch has to know of the connection that it runs on. It doesn't change while the connection lives: read once. */
import type { ClientBase } from 'pg'
import { PledgedError } from '../../../src/sdk/participant/index.ts'
import type { Until } from '../../shared/connections/patience.ts'
import { WHERE_AM_I } from '../opening.ts'
import type { BranchSession } from './session.ts'

export interface Facts {
  readonly processId: number
  readonly resourceId: string
  /** As literals and names of SQL. */
  readonly role: string
  readonly witness: string
  /** The application's own, in milliseconds. 0: none. */
  readonly statementTimeoutMs: number
}

interface FactsRow {
  readonly process_id: number
  readonly is_replica: boolean
  readonly resource_id: string
  readonly role: string
  readonly prepared_max: number
  readonly read_only: string
  readonly statement_timeout: number
  readonly witness: string | null
  readonly witnesses: number
  readonly is_found: boolean
  readonly may_insert: boolean | null
}

/**
 * The witness goes into the table that the daemon's participant reads. Where only one of that name is in the database, that
 * is it, whatever the application's search path is.
 */
const READ = `
  SELECT pg_backend_pid() AS process_id, here.is_replica, here.resource_id,
         quote_literal(current_user) AS role,
         current_setting('max_prepared_transactions')::int AS prepared_max,
         current_setting('transaction_read_only') AS read_only,
         (SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout') AS statement_timeout,
         found.qualified AS witness, coalesce(found.witnesses, 0)::int AS witnesses,
         to_regclass('pledged_witness') IS NOT NULL AS is_found,
         has_table_privilege(found.oid, 'INSERT') AS may_insert
  FROM (${WHERE_AM_I}) AS here
  LEFT JOIN LATERAL (
    SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS qualified, count(*) OVER () AS witnesses
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = 'pledged_witness' AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
    ORDER BY (c.oid = to_regclass('pledged_witness')) IS TRUE DESC
    LIMIT 1
  ) AS found ON true`

const known = new WeakMap<ClientBase, Facts>()

/** Throws CONFIGURATION, with the sentence that mends it; and DatabaseFailure. */
export async function factsOf(session: BranchSession, participant: string, until: Until): Promise<Facts> {
  const { client } = session.taken
  const remembered = known.get(client)
  if (remembered !== undefined) return remembered
  const [result] = await session.run('look', READ, until)
  const facts = checked(result?.rows[0] as unknown as FactsRow, participant)
  known.set(client, facts)
  return facts
}

/** They have turned out not to be true any more. */
export function forgetFacts(client: ClientBase): void {
  known.delete(client)
}

function checked(row: FactsRow, participant: string): Facts {
  const problem = problemOf(row, participant)
  if (problem !== undefined) {
    throw new PledgedError(
      'CONFIGURATION',
      `no branch of participant "${participant}" can run here: ${problem}`,
    )
  }
  return {
    processId: row.process_id,
    resourceId: row.resource_id,
    role: row.role,
    witness: row.witness ?? '',
    statementTimeoutMs: row.statement_timeout,
  }
}

function problemOf(row: FactsRow, participant: string): string | undefined {
  if (row.is_replica) return 'the server is a replica: connect to the primary'
  if (row.read_only === 'on') return 'the session is read-only: switch default_transaction_read_only off'
  if (row.prepared_max === 0) {
    return 'the server has max_prepared_transactions at 0: set it above the number of branches that may be in doubt at once, and restart it'
  }
  if (row.witness === null) {
    return (
      'the database has no table pledged_witness, which the daemon makes: start it with this participant first ' +
      `({ name: ${participant}, kind: postgres, url: ... }), and let the application connect to the same database`
    )
  }
  if (row.witnesses > 1 && !row.is_found) {
    return "several schemas have a table pledged_witness: put the daemon's on the search path of the application"
  }
  return row.may_insert === true
    ? undefined
    : `the role ${row.role} may not write ${row.witness}: let the application use the role of the daemon's url, which is to end what it has prepared`
}
