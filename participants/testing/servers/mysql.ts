/** For the tests of the mysql participant: databases of a test's own, and a console at them. */
import mysql, { type RowDataPacket } from 'mysql2/promise'
import { onTestFinished } from 'vitest'
import type { Participant } from '../../../src/sdk/participant/index.ts'
import { createMysqlParticipant } from '../../mysql/index.ts'
import type { ServerParticipantOptions } from '../../shared/servers/options.ts'
import { closing } from '../kit.ts'
import { freshDatabase } from './fresh-database.ts'
import { LEDGER } from './postgres.ts'

export type Rows = readonly Readonly<Record<string, unknown>>[]

/** Closed when the test ends. */
export async function consoleAt(url: string): Promise<mysql.Connection> {
  const connection = await mysql.createConnection({ uri: url })
  connection.on('error', () => {})
  onTestFinished(() => connection.destroy())
  return connection
}

/** Runs statements, each on its own, and resolves with the rows of the last. */
export async function sql(url: string, ...statements: readonly string[]): Promise<Rows> {
  const connection = await mysql.createConnection({ uri: url })
  try {
    let rows: Rows = []
    for (const statement of statements) [rows] = await connection.query<RowDataPacket[]>(statement)
    return rows
  } finally {
    await connection.end()
  }
}

export async function seededDatabase(adminUrl: string): Promise<string> {
  const url = await freshDatabase(adminUrl)
  await sql(
    url,
    'CREATE TABLE accounts (id INT PRIMARY KEY, balance INT NOT NULL CHECK (balance >= 0))',
    'INSERT INTO accounts VALUES (1, 100), (2, 100)',
  )
  return url
}

export function openLedger(url: string, options: Partial<ServerParticipantOptions> = {}): Participant {
  return closing(createMysqlParticipant({ name: LEDGER, url, ...options }))
}

/** By a person: from a session that has not prepared the branch, so not before that one is gone. */
export async function endXa(url: string, verb: 'commit' | 'abort', xid: string): Promise<void> {
  const statement = `XA ${verb === 'commit' ? 'COMMIT' : 'ROLLBACK'} 'pledged/${xid}','${LEDGER}'`
  for (let triesLeft = 200; ; triesLeft -= 1) {
    try {
      await sql(url, statement)
      return
    } catch (error) {
      if (triesLeft === 0) throw error
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}
