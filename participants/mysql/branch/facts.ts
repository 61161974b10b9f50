/** What a branch has to know of the connection that it runs on. It doesn't change while the connection lives: read once. */
import type { Connection as CallbackConnection } from 'mysql2'
import { messageOf, PledgedError } from '../../../src/sdk/participant/index.ts'
import type { Until } from '../../shared/connections/patience.ts'
import { DatabaseFailure } from '../../shared/servers/database-failure.ts'
import { DENIED } from '../errors.ts'
import { type Flavour, flavourOf, READ_RESOURCE_ID, resourceIdOf } from '../identity.ts'
import { TAKES_WRITES } from '../witness-sql.ts'
import type { BranchSession } from './session.ts'

export interface Facts {
  readonly sessionId: string
  readonly flavour: Flavour
  readonly resourceId: string
  /** Qualified: the application may use another database later. */
  readonly witness: string
}

const READ = `SELECT VERSION() AS version, DATABASE() AS name, CAST(CONNECTION_ID() AS CHAR) AS session_id,
  ${TAKES_WRITES} AS takes_writes, (${READ_RESOURCE_ID}) AS drawn_id`

/** No database selected; no such table. */
const MISSING: ReadonlySet<string> = new Set(['1046', '1146'])

const known = new WeakMap<CallbackConnection, Facts>()

/** Throws CONFIGURATION, with the sentence that mends it; and DatabaseFailure. */
export async function factsOf(session: BranchSession, participant: string, until: Until): Promise<Facts> {
  const { connection } = session.taken
  const remembered = known.get(connection)
  if (remembered !== undefined) return remembered
  try {
    const facts = await read(session, until)
    known.set(connection, facts)
    return facts
  } catch (error) {
    throw unfit(error, participant)
  }
}

async function read(session: BranchSession, until: Until): Promise<Facts> {
  const [row] = await session.rows('look', READ, until)
  const flavour = flavourOf(textOf(row?.['version']))
  if (Number(row?.['takes_writes']) !== 1) {
    throw new PledgedError('CONFIGURATION', 'the server takes no writes: connect to the primary')
  }
  const drawnId = textOf(row?.['drawn_id'])
  if (drawnId === '') throw missing()
  const database = textOf(row?.['name'])
  const serverUuid = flavour === 'mysql' ? await readServerUuid(session, until) : undefined
  return {
    sessionId: textOf(row?.['session_id']),
    flavour,
    resourceId: resourceIdOf({ serverUuid, drawnId, database }),
    witness: `\`${database.replaceAll('`', '``')}\`.pledged_witness`,
  }
}

async function readServerUuid(session: BranchSession, until: Until): Promise<string> {
  const [row] = await session.rows('look', 'SELECT @@server_uuid AS id', until)
  return textOf(row?.['id'])
}

function unfit(error: unknown, participant: string): unknown {
  const why = reasonOf(error)
  return why === undefined
    ? error
    : new PledgedError('CONFIGURATION', `no branch of participant "${participant}" can run here: ${why}`, {
        cause: error,
      })
}

function reasonOf(error: unknown): string | undefined {
  if (error instanceof PledgedError) return error.message
  if (!(error instanceof DatabaseFailure)) return undefined
  if (MISSING.has(error.code)) return missing().message
  return DENIED.has(error.code)
    ? `the user may not read Pledged's tables: let the application use the user of the daemon's url (${messageOf(error)})`
    : undefined
}

function missing(): PledgedError {
  return new PledgedError(
    'CONFIGURATION',
    'the database that the connection uses has no tables of Pledged, which the daemon makes: start it with this ' +
      'participant (kind: mysql) first, and let the application connect to the same database',
  )
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return ''
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : String(value as string | number)
}
