/** Every built-in participant keeps the rules that a stranger's has to keep, asked in the same way, through kill -9. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { type DatabaseServer, startMariadb, startPostgres } from '../../src/demo/servers/index.ts'
import { runConformance, type WorkTemplates, workTemplateOf } from '../../src/sdk/conformance/index.ts'
import { ServedParticipant } from './served-participant.ts'

const NAME = 'conformance'
const ITEMS = 'CREATE TABLE items (id INTEGER PRIMARY KEY, amount INTEGER)'
const directory = mkdtempSync(join(tmpdir(), 'pledged-conformance-'))
const servers: DatabaseServer[] = []
let served: ServedParticipant | undefined

afterEach(async () => {
  await served?.kill()
})

afterAll(async () => {
  for (const server of servers) await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

interface Kind {
  readonly kind: string
  readonly works: WorkTemplates
  /** Makes the resource, and answers with the flags that name it. */
  readonly make: () => Promise<readonly string[]>
  /** Cases that can't run against it, and why that is as it should be. */
  readonly skipped: readonly string[]
}

const kinds: readonly Kind[] = [
  {
    kind: 'sqlite',
    works: statementWorks('?'),
    make: async () => {
      const file = join(directory, 'sink.db')
      const database = new DatabaseSync(file)
      database.exec(ITEMS)
      database.close()
      return await Promise.resolve(['--file', file])
    },
    // One branch at a time may change an SQLite file, so a scan never has a second page.
    skipped: ['scan-while-ending', 'one-phase'],
  },
  {
    kind: 'offsets',
    works: offsetWorks(),
    make: async () => await Promise.resolve(['--file', join(directory, 'offsets.db')]),
    skipped: ['one-phase'],
  },
  {
    kind: 'postgres',
    works: statementWorks('$1'),
    make: async () => {
      const server = await startPostgres()
      servers.push(server)
      const url = await server.createDatabase(NAME)
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query(ITEMS)
      await client.end()
      return ['--url-file', writeUrl('postgres.url', url)]
    },
    skipped: [],
  },
  {
    kind: 'mysql',
    works: statementWorks('?'),
    make: async () => {
      const server = await startMariadb()
      servers.push(server)
      const url = await server.createDatabase(NAME)
      const connection = await mysql.createConnection(url)
      await connection.query(ITEMS)
      await connection.end()
      return ['--url-file', writeUrl('mysql.url', url)]
    },
    skipped: [],
  },
]

describe('the built-in participants keep the rules of the conformance suite', () => {
  it.each(kinds)('$kind', async ({ kind, works, make, skipped }) => {
    const listen = `unix:${join(directory, `${kind}.sock`)}`
    served = new ServedParticipant({ kind, name: NAME, listen, resource: await make() })
    await served.start()
    const report = await runConformance({
      address: listen,
      branch: NAME,
      works,
      restart: served.restart,
      timeoutMs: 12_000,
    })
    expect(report.toFix).toEqual([])
    expect(report.left).toEqual([])
    expect(report.cases.filter(({ result }) => result === 'skipped').map(({ name }) => name)).toEqual(skipped)
    expect(report.participant).toMatchObject({ kind, keepsWitnesses: true })
  })
})

function writeUrl(name: string, url: string): string {
  const file = join(directory, name)
  writeFileSync(file, `${url}\n`, { mode: 0o600 })
  return file
}

function statementWorks(parameter: string): WorkTemplates {
  const insert = (amount: number): Uint8Array =>
    workTemplateOf(
      `{"statements": [{"sql": "INSERT INTO items (id, amount) VALUES (${parameter}, ${amount})", "params": [{n}]}]}`,
    )
  const statement = (sql: string): Uint8Array => workTemplateOf(JSON.stringify({ statements: [{ sql }] }))
  return {
    work: insert(1),
    conflicting: [insert(1), insert(2)],
    refused: [
      workTemplateOf(
        '{"statements": [{"sql": "UPDATE items SET amount = 0 WHERE id = -{n}", "expect_rows": 1}]}',
      ),
      statement('INSERT INTO no_such_table VALUES (1)'),
      statement('COMMIT'),
    ],
    hostile: [
      statement('ROLLBACK'),
      statement('DELETE FROM items; COMMIT'),
      statement('DROP TABLE pledged_witness'),
      statement(`/* ${'*'.repeat(10_000)} */ SELECT 1`),
    ],
  }
}

function offsetWorks(): WorkTemplates {
  const advance = (from: number, to: number): Uint8Array =>
    workTemplateOf(
      `{"group": "g-{n}", "owner_epoch": 0, "advance": [{"topic": "t", "partition": 0, "from": ${from}, "to": ${to}}]}`,
    )
  return { work: advance(0, 5), conflicting: [advance(0, 5), advance(0, 6)], refused: [advance(4, 5)] }
}
