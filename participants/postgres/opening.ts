/** What a server must be set to before a participant may pledge on it, each with the sentence that mends it. */
import { PledgedError } from '../../src/sdk/participant/index.ts'
import type { Session } from './session.ts'
import { ensureTables, type Tables } from './tables.ts'

export interface OpenedDatabase {
  /** R10: the cluster's, and the database's within it. */
  readonly resourceId: string
  readonly role: string
  readonly tables: Tables
  /** For the beginning of each transaction: what the role's own settings would weaken or cut short. */
  readonly settings: readonly string[]
}

/** Where a session really is. Asked of each new connection: what answers at an address can change. */
export const WHERE_AM_I = `
  SELECT pg_is_in_recovery() AS is_replica,
         'postgres/' || (SELECT system_identifier FROM pg_control_system()) || '/' ||
           (SELECT oid FROM pg_database WHERE datname = current_database()) AS resource_id`

export interface Whereabouts {
  readonly is_replica: boolean
  readonly resource_id: string
}

const VERSION_MIN = 120_000

interface ServerState {
  readonly version: number
  readonly version_text: string
  readonly fsync: string
  readonly prepared_max: number
  readonly read_only: string
  readonly synchronous_commit: string
  readonly role: string
  readonly quoted_role: string
}

const STATE = `
  SELECT current_setting('server_version_num')::int AS version,
         current_setting('server_version') AS version_text,
         current_setting('fsync') AS fsync,
         current_setting('max_prepared_transactions')::int AS prepared_max,
         current_setting('default_transaction_read_only') AS read_only,
         current_setting('synchronous_commit') AS synchronous_commit,
         current_user AS role,
         quote_ident(current_user) AS quoted_role`

/** Throws CONFIGURATION; and DatabaseFailure, where the database fails at it. */
export async function checkDatabase(session: Session): Promise<OpenedDatabase> {
  const [state] = await session.rows<ServerState>('look', STATE)
  const [whereabouts] = await session.rows<Whereabouts>('look', WHERE_AM_I)
  if (state === undefined || whereabouts === undefined) throw unfit('answers without a row what it is')
  if (state.version < VERSION_MIN) {
    throw unfit(`runs PostgreSQL ${state.version_text}: Pledged needs 12 or later`)
  }
  if (whereabouts.is_replica) {
    throw unfit(
      'is a replica (pg_is_in_recovery), which can not prepare transactions: name the primary in the url',
    )
  }
  if (state.fsync !== 'on') {
    throw unfit(
      'has fsync off, so that a pledge would not survive a loss of power: set fsync = on and reload',
    )
  }
  if (state.prepared_max === 0) {
    throw unfit(
      'has max_prepared_transactions at 0, so that it can not prepare any: set it to the number of branches that may be ' +
        'in doubt at once, for example 100, and restart it',
    )
  }
  if (state.read_only === 'on') {
    throw unfit(
      `has default_transaction_read_only on: switch it off, for the role with ALTER ROLE ${state.quoted_role} SET default_transaction_read_only = off`,
    )
  }
  return {
    resourceId: whereabouts.resource_id,
    role: state.role,
    tables: await ensureTables(session, state.quoted_role),
    settings: settingsFor(state),
  }
}

function settingsFor({ version, synchronous_commit }: ServerState): readonly string[] {
  return [
    // The text of the statements was read by this rule.
    'standard_conforming_strings = on',
    ...(version >= 170_000 ? ['transaction_timeout = 0'] : []),
    // A commit that is acknowledged before it is on disk would be a witness that can vanish.
    ...(synchronous_commit === 'off' ? ['synchronous_commit = on'] : []),
  ]
}

function unfit(what: string): PledgedError {
  return new PledgedError('CONFIGURATION', `the server ${what}`)
}
