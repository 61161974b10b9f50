/**
 * What reads files and work, by itself, because it can be asked thousands of times so: a mistake is an error with a
 * sentence, of the one kind that its caller knows, soon, and without the secrets that were read.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { parseDatabaseUrl as parseMysqlUrl } from '../../participants/mysql/connection-url.ts'
import {
  inspectStatement as inspectMysql,
  namesIn,
  onlyReads,
} from '../../participants/mysql/statement-text.ts'
import { decodeOffsetsWork } from '../../participants/offsets/offsets-work.ts'
import { parseDatabaseUrl as parsePostgresUrl } from '../../participants/postgres/connection-url.ts'
import { inspectStatement as inspectPostgres } from '../../participants/postgres/statement-text.ts'
import { MalformedWork } from '../../participants/shared/refusal.ts'
import { decodeStatementWork } from '../../participants/shared/statement-work.ts'
import { inspectStatement as inspectSqlite } from '../../participants/sqlite/statement-text.ts'
import { PledgedError } from '../../src/base/errors.ts'
import { checkConfiguration } from '../../src/daemon/configuration.ts'
import { resourceOf } from '../../src/daemon/participant-options.ts'
import { readInput } from '../../src/demo/input.ts'
import { runs } from './budget.ts'
import { spoiledText } from './hostile-files.ts'
import { STACK_TRACE } from './watched-process.ts'

const SECRET = 'hunter2-secret'
/** Of the processor's time: how busy the machine is says nothing. */
const SOON_MS = 5_000

const root = mkdtempSync(join(tmpdir(), 'pledged-readers-'))
const file = join(root, 'file')

afterAll(() => rmSync(root, { recursive: true, force: true }))

const CONFIGURATION = `
listen: 127.0.0.1:7420
http_listen: 127.0.0.1:7421
data_dir: ./pledged-data
limits:   { transactions_in_flight: 100000, branches_per_transaction: 64, work_bytes: 1048576 }
timeouts: { prepare: 10s, idle: 60s, drain: 20s, orphan_grace: 30s }
retention: 24h
participants:
  - { name: ledger,  kind: postgres, url: "postgres://app:${SECRET}@db/ledger", pool_size: 5, lock_timeout: 5s }
  - { name: stock,   kind: mysql,    url: "mysql://app:${SECRET}@db:3306/stock" }
  - { name: sink,    kind: sqlite,   file: ./sink.db, statements: { add: "INSERT INTO t VALUES (?)" } }
  - { name: offsets, kind: offsets,  file: ./offsets.db }
  - { name: mailer,  kind: grpc,     address: "127.0.0.1:9001" }
`
const STATEMENTS = 'add: INSERT INTO t VALUES (?)\ntake: "DELETE FROM t WHERE id = ?"\n'
const INPUT = '{"id": 1, "name": "a"}\n{"id": 2}\n[1, 2, 3]\nnull\n'
const STATEMENT_WORK = JSON.stringify({
  statements: [
    { sql: 'INSERT INTO t VALUES (?, ?)', params: [1, { int64: '9' }], expect_rows: 1 },
    { sql: 'DELETE FROM t', params: [] },
  ],
})
const OFFSETS_WORK = JSON.stringify({
  group: 'g',
  owner_epoch: 3,
  advance: [{ topic: 't', partition: 0, from: 100, to: 150 }],
})
const SQL = "INSERT INTO \"a\" VALUES ('x''y', $1, ?, :n, /* c /* d */ */ $$ ; $$) -- e\n"

/** Runs it; an error has to be of that kind, and a sentence. Secrets don't leave with it. */
function requireRefusal(run: () => unknown, kind: typeof PledgedError | typeof MalformedWork): void {
  const before = process.cpuUsage()
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(kind)
    const { message } = error as Error
    expect(message).not.toBe('')
    expect(message).not.toMatch(STACK_TRACE)
    expect(message).not.toContain(SECRET)
    if (error instanceof PledgedError) expect(['CONFIGURATION', 'USAGE']).toContain(error.code)
  }
  requireSoon(before)
}

function requireSoon(before: NodeJS.CpuUsage): void {
  expect(process.cpuUsage(before).user / 1_000).toBeLessThan(SOON_MS)
}

function expectSentences(
  whole: string,
  read: () => unknown,
  kind: typeof PledgedError | typeof MalformedWork = PledgedError,
) {
  fc.assert(
    fc.property(spoiledText(whole), (bytes) => {
      writeFileSync(file, bytes)
      requireRefusal(read, kind)
    }),
    runs(50, 3_000),
  )
}

describe('what reads', () => {
  it('pledged.yaml says each mistake in a sentence', () => {
    expectSentences(CONFIGURATION, () => checkConfiguration({ configFile: file }, { HOME: '/root' }))
  })

  it('a statements file does', () => {
    const options = { kind: 'sqlite', name: 'sink', file: 'x.db', statementsFile: file }
    expectSentences(STATEMENTS, () => resourceOf(options, {}))
  })

  it("a database's URL does, and keeps its password to itself", () => {
    for (const [kind, parse] of [
      ['postgres', parsePostgresUrl],
      ['mysql', parseMysqlUrl],
    ] as const) {
      const whole = `${kind}://app:${SECRET}@[::1]:5432/db?host=/tmp&x=1\n`
      expectSentences(whole, () => {
        const { resource } = resourceOf({ kind, name: 'ledger', urlFile: file }, {})
        if ('url' in resource) parse(resource.url, 'ledger')
      })
    }
  })

  it("the demo's input does", () => {
    expectSentences(INPUT, () => readInput(file))
  })

  it.each([
    ['sqlite', inspectSqlite],
    ['postgres', inspectPostgres],
    ['mysql', inspectMysql],
  ] as const)("a %s branch's work votes no", (_kind, inspect) => {
    fc.assert(
      fc.property(spoiledText(STATEMENT_WORK), (bytes) => {
        const options = { inspect, named: undefined, workEntriesMax: 1_000 }
        requireRefusal(() => decodeStatementWork(bytes, options), MalformedWork)
      }),
      runs(150, 10_000),
    )
  })

  it("an offsets branch's work votes no", () => {
    fc.assert(
      fc.property(spoiledText(OFFSETS_WORK), (bytes) => {
        requireRefusal(() => decodeOffsetsWork(bytes, 1_000), MalformedWork)
      }),
      runs(150, 10_000),
    )
  })

  it('the text of a statement takes any text, however long', () => {
    const long = fc.constantFrom(
      "'",
      '"',
      '`',
      '(',
      '/*',
      '--',
      '$$',
      '$a$',
      '?',
      '$1 ',
      ';',
      '\\',
      "''",
      'x ',
      '*/',
    )
    const text = fc.oneof(
      spoiledText(SQL).map((bytes) => new TextDecoder().decode(bytes)),
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.tuple(long, fc.constantFrom(1_000, 30_000)).map(([unit, times]) => unit.repeat(times)),
      fc.tuple(long, long, fc.constantFrom(20_000)).map(([one, other, times]) => (one + other).repeat(times)),
    )
    fc.assert(
      fc.property(text, (sql) => {
        const before = process.cpuUsage()
        for (const inspect of [inspectSqlite, inspectPostgres, inspectMysql]) {
          const found = inspect(sql)
          if (inspect !== inspectMysql || 'problem' in found) continue
          namesIn(sql)
          onlyReads(sql)
        }
        requireSoon(before)
      }),
      runs(60, 1_000),
    )
  })
})
