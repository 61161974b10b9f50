/** Pledged's tables in the user's database, and the statements that touch them. */
import { messageOf, PledgedError } from '../../src/sdk/participant/index.ts'
import { DatabaseFailure } from '../shared/servers/database-failure.ts'
import type { Session } from './session.ts'

/** By their qualified names: the work may change the search path. */
export interface Tables {
  readonly witness: string
  readonly logs: string
}

const DEFINITIONS = [
  `CREATE TABLE IF NOT EXISTS pledged_witness (
     xid text NOT NULL,
     branch text NOT NULL,
     outcome text NOT NULL CHECK (outcome IN ('committed', 'aborted')),
     time timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (xid, branch)
   )`,
  `CREATE TABLE IF NOT EXISTS pledged_logs (
     log_id text PRIMARY KEY,
     epoch text NOT NULL,
     last_seen timestamptz NOT NULL
   )`,
]

/** Two participants that open one database at the same time: CREATE TABLE IF NOT EXISTS alone would let one fail. */
const CREATION = [
  'BEGIN',
  "SELECT pg_advisory_xact_lock(hashtext('pledged tables'))",
  ...DEFINITIONS,
  'COMMIT',
].join('; ')

const FIND = `
  SELECT c.relname AS name, format('%I.%I', n.nspname, c.relname) AS qualified, c.relpersistence AS persistence
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid IN (to_regclass('pledged_witness'), to_regclass('pledged_logs'))`

/** What the participant does with its tables; asked to be explained at the opening, it shows what is missing. */
export const SQL = {
  insertAborted: ({ witness }: Tables) =>
    `INSERT INTO ${witness} (xid, branch, outcome) VALUES ($1, $2, 'aborted') ON CONFLICT (xid, branch) DO NOTHING RETURNING 1`,
  witness: ({ witness }: Tables) =>
    `SELECT pg_is_in_recovery() AS is_replica, (SELECT outcome FROM ${witness} WHERE xid = $1 AND branch = $2) AS outcome`,
  removeWitnesses: ({ witness }: Tables) =>
    `DELETE FROM ${witness} WHERE xid = ANY ($1::text[]) AND branch = $2`,
  insertLog: ({ logs }: Tables) =>
    `INSERT INTO ${logs} (log_id, epoch, last_seen) VALUES ($1, $2, now()) ON CONFLICT (log_id) DO NOTHING RETURNING 1`,
  lockLog: ({ logs }: Tables) => `SELECT epoch FROM ${logs} WHERE log_id = $1 FOR UPDATE`,
  raiseLog: ({ logs }: Tables) => `UPDATE ${logs} SET epoch = $2, last_seen = now() WHERE log_id = $1`,
} as const

const PROBES: readonly (readonly [keyof typeof SQL, readonly unknown[]])[] = [
  ['insertAborted', ['', '']],
  ['witness', ['', '']],
  ['removeWitnesses', [[], '']],
  ['insertLog', ['', '']],
  ['lockLog', ['']],
  ['raiseLog', ['', '']],
]

/** Makes them where the user may; else throws CONFIGURATION with the statements for someone who may. */
export async function ensureTables(session: Session, role: string): Promise<Tables> {
  const tables = (await findTables(session)) ?? (await makeTables(session, role))
  for (const [statement, values] of PROBES) {
    try {
      await session.rows('look', `EXPLAIN ${SQL[statement](tables)}`, values)
    } catch (error) {
      if (!(error instanceof DatabaseFailure) || error.connectionLost) throw error
      throw unusable(`can not be used: ${messageOf(error)}`, role)
    }
  }
  return tables
}

async function makeTables(session: Session, role: string): Promise<Tables> {
  try {
    await session.script('end', CREATION)
  } catch (error) {
    if (!(error instanceof DatabaseFailure) || error.connectionLost) throw error
    throw unusable(`are missing and can not be made: ${messageOf(error)}`, role)
  }
  const made = await findTables(session)
  if (made === undefined) throw unusable('are not on the search path of the user', role)
  return made
}

async function findTables(session: Session): Promise<Tables | undefined> {
  const found = await session.rows<{ name: string; qualified: string; persistence: string }>('look', FIND)
  const byName = new Map(found.map((table) => [table.name, table]))
  const witness = byName.get('pledged_witness')
  const logs = byName.get('pledged_logs')
  if (witness === undefined || logs === undefined) return undefined
  for (const { name, persistence } of [witness, logs]) {
    if (persistence === 'p') continue
    throw new PledgedError(
      'CONFIGURATION',
      `the table ${name} is not permanent, so that a crash would empty it: ALTER TABLE ${name} SET LOGGED`,
    )
  }
  return { witness: witness.qualified, logs: logs.qualified }
}

function unusable(why: string, role: string): PledgedError {
  const definitions = DEFINITIONS.map((definition) => definition.replace(/\s+/g, ' '))
  const grants = [
    `GRANT SELECT, INSERT, DELETE ON pledged_witness TO ${role}`,
    `GRANT SELECT, INSERT, UPDATE ON pledged_logs TO ${role}`,
  ]
  return new PledgedError(
    'CONFIGURATION',
    `Pledged's tables ${why}. Let the owner of the database run: ${[...definitions, ...grants].join('; ')}`,
  )
}
