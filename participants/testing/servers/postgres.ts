/** For the tests of the postgres participant: databases of a test's own, and a console at them. */
import pg from 'pg'
import { onTestFinished } from 'vitest'
import type { Participant, Vote, Xid } from '../../../src/sdk/participant/index.ts'
import { createPostgresParticipant } from '../../postgres/index.ts'
import type { ServerParticipantOptions } from '../../shared/servers/options.ts'
import { bytes, closing } from '../kit.ts'
import { freshDatabase } from './fresh-database.ts'

export const LEDGER = 'ledger'

/** Closed when the test ends. */
export async function consoleAt(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

/** Runs statements, each on its own, and resolves with the rows of the last. */
export async function psql(
  url: string,
  ...statements: readonly string[]
): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    let rows: readonly Record<string, unknown>[] = []
    for (const statement of statements) ({ rows } = await client.query<Record<string, unknown>>(statement))
    return rows
  } finally {
    await client.end()
  }
}

/** Of the same server, for its administrator. */
export function asAdmin(adminUrl: string, databaseUrl: string): string {
  const url = new URL(adminUrl)
  url.pathname = new URL(databaseUrl).pathname
  return url.href
}

export async function seededDatabase(adminUrl: string): Promise<string> {
  const url = await freshDatabase(adminUrl)
  await psql(
    url,
    'CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL CHECK (balance >= 0))',
    'INSERT INTO accounts VALUES (1, 100), (2, 100)',
  )
  return url
}

export function openLedger(url: string, options: Partial<ServerParticipantOptions> = {}): Participant {
  return closing(createPostgresParticipant({ name: LEDGER, url, ...options }))
}

export interface Preparing {
  readonly timeoutMs?: number
  readonly onePhase?: boolean
  readonly signal?: AbortSignal
}

export function prepareSql(
  participant: Participant,
  xid: Xid,
  statements: readonly (
    | string
    | { readonly sql: string; readonly params?: readonly unknown[]; readonly expect_rows?: number }
  )[],
  { timeoutMs = 20_000, onePhase = false, signal = new AbortController().signal }: Preparing = {},
): Promise<Vote> {
  const work = statements.map((statement) => (typeof statement === 'string' ? { sql: statement } : statement))
  return participant.prepare({ xid, work: bytes({ statements: work }), timeoutMs, onePhase, signal })
}
