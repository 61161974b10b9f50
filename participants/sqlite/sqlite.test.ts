import { spawnSync } from 'node:child_process'
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Participant, Vote, Xid } from '../../src/sdk/participant/index.ts'
import { defaultParticipantLimits as limits } from '../shared/files/limits.ts'
import { createPledgeParticipant } from '../shared/files/pledge-participant.ts'
import type { Subject } from '../testing/bench.ts'
import { describeFaults } from '../testing/fault-suite.ts'
import {
  bytes,
  closing,
  prepareRequest,
  runUntilKilled,
  temporaryFile,
  type Watch,
  watched,
  xid,
} from '../testing/kit.ts'
import { describePledges } from '../testing/pledge-suite.ts'
import { createSqliteParticipant } from './index.ts'
import { openNodeSqlite, type RecordingDatabase } from './node-sqlite.ts'
import { sqliteResourceKind } from './sqlite-resource.ts'

type Work = readonly (string | readonly [string, ...unknown[]] | Readonly<Record<string, unknown>>)[]

function work(statements: Work): Uint8Array {
  const entries = statements.map((entry) => {
    if (typeof entry === 'string') return { sql: entry }
    if (!Array.isArray(entry)) return entry
    const [sql, ...params] = entry as [string, ...unknown[]]
    return { sql, params }
  })
  return bytes({ statements: entries })
}

function withDatabase<T>(file: string, run: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(file, { enableForeignKeyConstraints: false })
  try {
    return run(database)
  } finally {
    database.close()
  }
}

function query(file: string, sql: string): readonly Readonly<Record<string, unknown>>[] {
  return withDatabase(file, (database) =>
    database
      .prepare(sql)
      .all()
      .map((row) => ({ ...row })),
  )
}

function seeded(ddl: string): string {
  const file = temporaryFile('sink.db')
  withDatabase(file, (database) => database.exec(ddl))
  return file
}

function open(file: string, statements?: Readonly<Record<string, string>>): Participant {
  return closing(createSqliteParticipant({ file, statements, limits: { busyTimeoutMs: 200 } }))
}

function prepare(participant: Participant, id: Xid, statements: Work): Promise<Vote> {
  return participant.prepare(prepareRequest(id, work(statements), { timeoutMs: 1_000 }))
}

/** As a program of its own, with another SQLite library. */
function stranger(file: string, sql: string): string {
  const script = join(import.meta.dirname, '../testing/stranger-process.ts')
  return spawnSync(process.execPath, [script, file, sql], { encoding: 'utf8' }).stdout
}

const SALES = 'CREATE TABLE sales (id INTEGER PRIMARY KEY, what TEXT)'
const INSERT = 'INSERT INTO sales VALUES (?, ?)'
const YES: Vote = { vote: 'yes' }

const SUBJECT: Subject = {
  kind: 'sqlite',
  seed: (file) => withDatabase(file, (database) => database.exec(SALES)),
  resourceKind: (file, watch) =>
    sqliteResourceKind({ file, limits, openDatabase: (path) => watch(openNodeSqlite(path)) }),
  first: JSON.stringify({ statements: [{ sql: INSERT, params: [1, 'a'] }] }),
  second: JSON.stringify({ statements: [{ sql: INSERT, params: [2, 'b'] }] }),
  applied: (file) => query(file, 'SELECT * FROM sales').length,
}

describe('the sqlite participant', () => {
  describePledges(SUBJECT)
  describeFaults(SUBJECT)

  describe('what lands', () => {
    it('is what the statements would have left behind, with every kind of value', async () => {
      const file = seeded('CREATE TABLE v (id INTEGER PRIMARY KEY, x)')
      const participant = open(file)
      const values: readonly unknown[] = [
        null,
        true,
        1,
        1.5,
        -0.1,
        { float64: 1 },
        { int64: '9223372036854775807' },
        { int64: '-9223372036854775808' },
        Number.MAX_SAFE_INTEGER,
        'x',
        '',
        'a\0b',
        'é\u{1f600}',
        { base64: 'AAH/' },
        { base64: '' },
      ]
      const statements = values.map((value, index) => ['INSERT INTO v VALUES (?, ?)', index, value] as const)
      expect(await prepare(participant, xid(1), statements)).toEqual(YES)
      await participant.commit(xid(1))
      const landed = query(file, `SELECT typeof(x) || ' ' || coalesce(hex(x), '') AS x FROM v ORDER BY id`)
      const hex = (text: string): string => Buffer.from(text).toString('hex').toUpperCase()
      expect(landed.map((row) => row['x'])).toEqual([
        'null ',
        `integer ${hex('1')}`,
        `integer ${hex('1')}`,
        `real ${hex('1.5')}`,
        `real ${hex('-0.1')}`,
        `real ${hex('1.0')}`,
        `integer ${hex('9223372036854775807')}`,
        `integer ${hex('-9223372036854775808')}`,
        `integer ${hex('9007199254740991')}`,
        `text ${hex('x')}`,
        'text ',
        `text ${hex('a\0b')}`,
        `text ${hex('é\u{1f600}')}`,
        'blob 0001FF',
        'blob ',
      ])
    })

    it.each([
      [
        'a REPLACE that displaces a row',
        'CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)',
        ["REPLACE INTO t VALUES (9, 'x')"],
      ],
      [
        'unique values that change places',
        'CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)',
        [
          "UPDATE t SET b = 'z' WHERE a = 1",
          "UPDATE t SET b = 'x' WHERE a = 2",
          "UPDATE t SET b = 'y' WHERE a = 1",
        ],
      ],
      [
        'primary keys that change places',
        'CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)',
        [
          'UPDATE t SET a = 3 WHERE a = 1',
          'UPDATE t SET a = 1 WHERE a = 2',
          'UPDATE t SET a = 2 WHERE a = 3',
        ],
      ],
      [
        'generated columns',
        "CREATE TABLE t (g INT AS (a * 2) VIRTUAL, a INTEGER PRIMARY KEY, b TEXT, h TEXT AS (b || '!') STORED)",
        [
          "UPDATE t SET b = 'z' WHERE a = 1",
          "INSERT INTO t (a, b) VALUES (7, 'q')",
          'DELETE FROM t WHERE a = 2',
        ],
      ],
      [
        'WITHOUT ROWID',
        'CREATE TABLE t (a INTEGER, b TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID',
        ["UPDATE t SET b = 'q' WHERE a = 1"],
      ],
      ['a DELETE of everything', 'CREATE TABLE t (a TEXT PRIMARY KEY, b TEXT)', ['DELETE FROM t']],
      [
        'an upsert with RETURNING',
        'CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)',
        ["INSERT INTO t VALUES (1, 'n') ON CONFLICT DO UPDATE SET b = excluded.b RETURNING *"],
      ],
      [
        'AUTOINCREMENT',
        'CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT)',
        ["INSERT INTO t (b) VALUES ('c')"],
      ],
      [
        'a nullable key without NULLs',
        'CREATE TABLE t (a INTEGER, b TEXT, PRIMARY KEY (a, b))',
        ["INSERT INTO t VALUES (4, 'd')", "UPDATE t SET b = 'e' WHERE a = 1"],
      ],
      [
        'a write through a view',
        `CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); CREATE VIEW w AS SELECT b FROM t;
         CREATE TRIGGER through INSTEAD OF INSERT ON w BEGIN INSERT INTO t (b) VALUES (NEW.b || '!'); END`,
        ["INSERT INTO w VALUES ('v')"],
      ],
    ])('equals a plain run: %s', async (_name, ddl, statements) => {
      const seed = `${ddl}; INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')`
      const plain = seeded(seed)
      withDatabase(plain, (database) => statements.forEach((sql) => database.exec(sql)))
      const file = seeded(seed)
      const participant = open(file)
      const before = query(file, 'SELECT * FROM t')
      expect(await prepare(participant, xid(1), statements)).toEqual(YES)
      expect(query(file, 'SELECT * FROM t')).toEqual(before)
      expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
      const all = 'SELECT * FROM t ORDER BY a'
      expect(query(file, all)).toEqual(query(plain, all))
      if (ddl.includes('AUTOINCREMENT'))
        expect(query(file, 'SELECT * FROM sqlite_sequence')).toEqual([{ name: 't', seq: 3 }])
    })

    it('keeps random() and the time of the prepare', async () => {
      const file = seeded('CREATE TABLE r (id INTEGER PRIMARY KEY, n INTEGER, at TEXT)')
      const participant = open(file)
      const statement = "INSERT INTO r SELECT 1, random(), strftime('%Y-%m-%d %H:%M:%f') "
      // The changes can be read where they are kept: a changeset holds the text as it is.
      await prepare(participant, xid(1), [statement])
      const recorded = String.fromCharCode(
        ...withDatabase(file, (database) => {
          const row = database.prepare('SELECT pledge FROM pledged_in_doubt').get()
          return row?.['pledge'] as Uint8Array
        }),
      )
      const at = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}/.exec(recorded)?.[0]
      await participant.close()
      const later = open(file)
      await later.commit(xid(1))
      expect(query(file, 'SELECT at FROM r')).toEqual([{ at }])
    })

    it('is voted read-only where nothing was changed', async () => {
      const file = seeded(`${SALES}; INSERT INTO sales VALUES (1, 'a')`)
      const participant = open(file)
      expect(
        await prepare(participant, xid(1), ['SELECT * FROM sales', 'DELETE FROM sales WHERE id = 7']),
      ).toEqual({
        vote: 'read_only',
      })
      expect((await participant.listPrepared(10, '')).branches).toEqual([])
    })
  })

  describe('foreign keys', () => {
    const FAMILY = `
      CREATE TABLE parent (id INTEGER PRIMARY KEY);
      CREATE TABLE child (id INTEGER PRIMARY KEY, p REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
      INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1, 1), (2, 1), (3, 2)`

    it('cascade once', async () => {
      const file = seeded(FAMILY)
      const participant = open(file)
      const statements = ['DELETE FROM parent WHERE id = 1', 'UPDATE parent SET id = 9 WHERE id = 2']
      expect(await prepare(participant, xid(1), statements)).toEqual(YES)
      expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
      expect(query(file, 'SELECT * FROM parent')).toEqual([{ id: 9 }])
      expect(query(file, 'SELECT * FROM child')).toEqual([{ id: 3, p: 9 }])
    })

    it('are enforced', async () => {
      const participant = open(seeded(FAMILY))
      expect(await prepare(participant, xid(1), ['INSERT INTO child VALUES (4, 77)'])).toEqual({
        vote: 'no',
        retryable: false,
        message: 'statements[0]: FOREIGN KEY constraint failed',
      })
    })

    it('that are deferred are looked at before the vote, in the child and from the parent', async () => {
      const file = seeded(`
        CREATE TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TABLE child (id INTEGER PRIMARY KEY, p REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1), (2, 50)`)
      const participant = open(file)
      const no = {
        vote: 'no',
        message: expect.stringMatching(/^a deferred foreign key fails: child row/) as string,
      }
      expect(await prepare(participant, xid(1), ['INSERT INTO child VALUES (3, 77)'])).toMatchObject(no)
      expect(await prepare(participant, xid(2), ['DELETE FROM parent WHERE id = 1'])).toMatchObject(no)
      // Child 2 has named a row that isn't there from the beginning; that is not this branch's doing.
      const kept = ['INSERT INTO child VALUES (3, 77)', 'INSERT INTO parent VALUES (77)']
      expect(await prepare(participant, xid(3), kept)).toEqual(YES)
      expect(await participant.commit(xid(3))).toMatchObject({ result: 'done' })
    })
  })

  describe('what would be lost in silence is a no vote', () => {
    it.each([
      ['CREATE TABLE t (a)', 'INSERT INTO t VALUES (1)', /t, which has no PRIMARY KEY/],
      ['CREATE TABLE t (a)', 'DELETE FROM t', /t, which has no PRIMARY KEY/],
      ['CREATE TABLE t (a TEXT PRIMARY KEY)', 'INSERT INTO t VALUES (NULL)', /NULL in its primary key/],
      [
        'CREATE TABLE t (a TEXT, b, PRIMARY KEY (a, b)); INSERT INTO t VALUES (NULL, 1)',
        'DELETE FROM t',
        /NULL in its/,
      ],
      [
        'CREATE TABLE t (a TEXT PRIMARY KEY, b); INSERT INTO t VALUES (NULL, 1)',
        'UPDATE t SET b = 2',
        /NULL in its/,
      ],
      [
        "CREATE TABLE t (a TEXT PRIMARY KEY, b); INSERT INTO t VALUES ('x', 1)",
        'UPDATE t SET a = NULL',
        /NULL in its/,
      ],
      ['CREATE TABLE t (a INTEGER PRIMARY KEY DESC)', 'INSERT INTO t VALUES (NULL)', /NULL in its/],
      ['CREATE VIRTUAL TABLE t USING fts5 (a)', "INSERT INTO t VALUES ('x')", /virtual table/],
      ['CREATE VIRTUAL TABLE t USING rtree (a, b, c)', 'INSERT INTO t VALUES (1, 2, 3)', /virtual table/],
      [
        'CREATE VIRTUAL TABLE t USING fts5 (a)',
        "INSERT INTO t_content VALUES (1, 'x')",
        /virtual table|may not be modified/,
      ],
      [
        'CREATE TABLE t (a INTEGER PRIMARY KEY); CREATE TABLE l (a INTEGER PRIMARY KEY); CREATE TRIGGER mine AFTER INSERT ON t BEGIN INSERT INTO l VALUES (NEW.a); END',
        'INSERT INTO t VALUES (1)',
        /t, which has the trigger mine/,
      ],
      [
        'CREATE TABLE p (a INTEGER PRIMARY KEY); CREATE TABLE t (p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1)',
        'DELETE FROM p',
        /t, which has no PRIMARY KEY/,
      ],
      [
        "CREATE TABLE t (a TEXT PRIMARY KEY COLLATE NOCASE); INSERT INTO t VALUES ('A')",
        "UPDATE t SET a = 'a'",
        /can not be recorded/,
      ],
      [
        'CREATE TABLE t (a PRIMARY KEY); INSERT INTO t VALUES (1)',
        'UPDATE t SET a = 1.0',
        /can not be recorded/,
      ],
      [
        'CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)',
        'UPDATE sqlite_sequence SET seq = 7',
        /sqlite_sequence/,
      ],
      [SALES, "INSERT INTO pledged_witness VALUES ('x', 'committed', 0)", /pledged_witness, which is not/],
      [SALES, 'DELETE FROM pledged_in_doubt', /pledged_in_doubt, which is not/],
      [
        SALES,
        "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 9, 'x')",
        /sqlite_(schema|master)|changes the schema/,
      ],
    ])('%s; %s', async (ddl, sql, reason) => {
      const file = seeded(ddl)
      const participant = open(file)
      expect(await prepare(participant, xid(1), [sql])).toMatchObject({
        vote: 'no',
        retryable: false,
        message: expect.stringMatching(reason) as string,
      })
      expect((await participant.listPrepared(10, '')).branches).toEqual([])
    })
  })

  describe('work can not end its own transaction (R14)', () => {
    it('refuses transaction control and second statements', async () => {
      const participant = open(seeded(SALES))
      expect(await prepare(participant, xid(1), ['COMMIT'])).toMatchObject({
        vote: 'no',
        message: expect.stringMatching(/^malformed work: statements\[0\] begins with COMMIT/) as string,
      })
      expect(await prepare(participant, xid(2), ["INSERT INTO sales VALUES (1, 'a'); COMMIT"])).toMatchObject(
        { vote: 'no' },
      )
    })

    it.each([
      'INSERT OR ROLLBACK INTO sales VALUES (1, 2)',
      'UPDATE OR ROLLBACK sales SET id = 2 WHERE id = 1',
    ])('votes no, and leaves nothing, when a conflict clause rolls back: %s', async (sql) => {
      const file = seeded(`${SALES}; INSERT INTO sales VALUES (1, 'a'), (2, 'b')`)
      const participant = open(file)
      const statements = ["INSERT INTO sales VALUES (3, 'c')", sql, "INSERT INTO sales VALUES (4, 'd')"]
      expect(await prepare(participant, xid(1), statements)).toMatchObject({ vote: 'no' })
      expect(query(file, 'SELECT id FROM sales')).toEqual([{ id: 1 }, { id: 2 }])
      expect(await prepare(participant, xid(2), ["INSERT INTO sales VALUES (3, 'c')"])).toEqual(YES)
    })
  })

  describe('strangers', () => {
    const attempts = [
      "INSERT INTO sales VALUES (7, 's')",
      "UPDATE sales SET what = 's'",
      'DELETE FROM sales',
      "REPLACE INTO other VALUES ('x')",
    ]
    const DDL = `${SALES}; CREATE TABLE other (a TEXT PRIMARY KEY); INSERT INTO sales VALUES (1, 'a')`

    it('of another process and library are refused between kill -9 and replay, and let in afterwards', async () => {
      const file = seeded(DDL)
      const insert = JSON.stringify({ statements: [{ sql: INSERT, params: [2, 'b'] }] })
      runUntilKilled({ kind: 'sqlite', file, verb: 'prepare', xid: xid(2), work: insert, moment: 'answered' })
      for (const sql of attempts) expect(stranger(file, sql)).toMatch(/a transaction is in doubt here/)
      const participant = open(file)
      expect((await participant.listPrepared(10, '')).branches.map((branch) => branch.xid)).toEqual([xid(2)])
      expect(stranger(file, 'DELETE FROM sales')).toMatch(/a transaction is in doubt here/)
      expect(await participant.commit(xid(2))).toMatchObject({ result: 'done' })
      expect(query(file, 'SELECT id FROM sales')).toEqual([{ id: 1 }, { id: 2 }])
      for (const sql of attempts) expect(stranger(file, sql)).toBe('done')
    })

    it('may read meanwhile', async () => {
      const file = seeded(DDL)
      await prepare(open(file), xid(1), ["INSERT INTO sales VALUES (2, 'b')"])
      expect(stranger(file, 'SELECT * FROM sales')).toBe('done')
    })

    it('are refused in tables that were made or renamed since the participant opened the file', async () => {
      const file = seeded(DDL)
      const participant = open(file)
      await participant.describe()
      expect(
        stranger(
          file,
          'CREATE TABLE late (a INTEGER PRIMARY KEY); ALTER TABLE other RENAME TO moved; CREATE TABLE other (b)',
        ),
      ).toBe('done')
      expect(await prepare(participant, xid(1), ['INSERT INTO late VALUES (1)'])).toEqual(YES)
      for (const table of ['late', 'moved', 'other']) {
        expect(stranger(file, `INSERT INTO ${table} VALUES (5)`)).toMatch(/a transaction is in doubt here/)
      }
      await participant.commit(xid(1))
      expect(query(file, 'SELECT * FROM late')).toEqual([{ a: 1 }])
    })

    it('that took the guards away find them again at the next prepare', async () => {
      const file = seeded(DDL)
      const participant = open(file)
      await participant.describe()
      expect(stranger(file, 'DROP TRIGGER pledged_guard_insert_sales')).toBe('done')
      await prepare(participant, xid(1), ["INSERT INTO sales VALUES (2, 'b')"])
      expect(stranger(file, "INSERT INTO sales VALUES (3, 'c')")).toMatch(/a transaction is in doubt here/)
    })

    it('that hold the write lock: no, retryable; the participant works again afterwards', async () => {
      const file = seeded(DDL)
      const participant = open(file)
      await prepare(participant, xid(1), ["INSERT INTO sales VALUES (2, 'b')"])
      const other = new DatabaseSync(file)
      other.exec('BEGIN IMMEDIATE')
      const locked = /holds the write lock/
      expect(await participant.commit(xid(1))).toMatchObject({
        result: 'unknown',
        message: expect.stringMatching(locked) as string,
      })
      expect(await prepare(participant, xid(2), ['DELETE FROM sales'])).toMatchObject({
        vote: 'no',
        retryable: true,
        message: expect.stringMatching(locked) as string,
      })
      other.close()
      expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
    })

    it.each([
      ['DROP TABLE sales', 'CREATE TABLE sales (id INTEGER PRIMARY KEY, what TEXT)', /dropped/],
      [
        'ALTER TABLE sales RENAME COLUMN what TO why',
        'ALTER TABLE sales RENAME COLUMN why TO what',
        /columns of sales/,
      ],
      [
        'CREATE TRIGGER mine AFTER INSERT ON sales BEGIN SELECT 1; END',
        'DROP TRIGGER mine',
        /the trigger mine/,
      ],
      [
        "DROP TRIGGER pledged_guard_insert_sales; INSERT INTO sales VALUES (2, 's')",
        'DROP TRIGGER pledged_guard_delete_sales; DELETE FROM sales WHERE id = 2',
        /same primary key/,
      ],
      [
        "CREATE UNIQUE INDEX one ON sales (what); DROP TRIGGER pledged_guard_update_sales; UPDATE sales SET what = 'b'",
        'DROP INDEX one',
        /a constraint fails/,
      ],
    ])('that break a pledge are found out, and once mended it is kept: %s', async (breaks, mends, reason) => {
      const file = seeded(`${SALES}; INSERT INTO sales VALUES (1, 'a')`)
      const participant = open(file)
      await prepare(participant, xid(1), ["INSERT INTO sales VALUES (2, 'b')"])
      expect(stranger(file, breaks)).toBe('done')
      expect(await participant.commit(xid(1))).toMatchObject({
        result: 'broken',
        evidence: 'no_witness',
        message: expect.stringMatching(reason) as string,
      })
      expect((await participant.listPrepared(10, '')).branches).toHaveLength(1)
      expect(stranger(file, mends)).toBe('done')
      expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
      expect(query(file, 'SELECT what FROM sales WHERE id = 2')).toEqual([{ what: 'b' }])
    })

    it('may add a column meanwhile', async () => {
      const file = seeded(SALES)
      const participant = open(file)
      await prepare(participant, xid(1), ["INSERT INTO sales VALUES (2, 'b')"])
      expect(stranger(file, 'ALTER TABLE sales ADD COLUMN extra DEFAULT 7')).toBe('done')
      expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
      expect(query(file, 'SELECT * FROM sales')).toEqual([{ id: 2, what: 'b', extra: 7 }])
    })

    it('that write between rehearsal and pledge make it start anew', async () => {
      const file = seeded(`${SALES}; INSERT INTO sales VALUES (1, 'a')`)
      let interfering = 0
      const watch: Watch = {
        after: (sql) => {
          // Right after the rehearsal's end.
          if (sql !== 'PRAGMA foreign_keys = OFF' || interfering === 0) return
          interfering -= 1
          withDatabase(file, (other) => other.exec("UPDATE sales SET what = what || '+'"))
        },
      }
      const openDatabase = (path: string): RecordingDatabase => watched(openNodeSqlite(path), watch)
      const resourceKind = sqliteResourceKind({ file, limits, openDatabase })
      const participant = closing(createPledgeParticipant({ resourceKind, limits }))
      await participant.describe()
      interfering = 2
      expect(await prepare(participant, xid(1), ["UPDATE sales SET what = what || '!'"])).toEqual(YES)
      await participant.commit(xid(1))
      expect(query(file, 'SELECT what FROM sales')).toEqual([{ what: 'a++!' }])
      interfering = 100
      expect(await prepare(participant, xid(2), ["UPDATE sales SET what = 'z'"])).toMatchObject({
        vote: 'no',
        retryable: true,
      })
      expect(interfering).toBe(95)
    })
  })

  describe('work', () => {
    it('expects the rows that it says', async () => {
      const participant = open(seeded(`${SALES}; INSERT INTO sales VALUES (1, 'a'), (2, 'a')`))
      const update = (expect_rows: number) => [
        { sql: "UPDATE sales SET what = 'z' WHERE what = 'a'", expect_rows },
      ]
      expect(await prepare(participant, xid(1), update(1))).toEqual({
        vote: 'no',
        retryable: false,
        message: 'statements[0]: 2 rows where expect_rows is 1',
      })
      const select = { sql: 'SELECT * FROM sales', expect_rows: 2 }
      const returning = { sql: "INSERT INTO sales VALUES (3, 'x'), (4, 'y') RETURNING id", expect_rows: 2 }
      expect(await prepare(participant, xid(2), [select, returning, ...update(2)])).toEqual(YES)
    })

    it('reads what its earlier statements have written', async () => {
      const file = seeded(SALES)
      const participant = open(file)
      await prepare(participant, xid(1), [
        [INSERT, 1, 'a'],
        "INSERT INTO sales SELECT id + 1, what || '!' FROM sales",
      ])
      await participant.commit(xid(1))
      expect(query(file, 'SELECT * FROM sales')).toEqual([
        { id: 1, what: 'a' },
        { id: 2, what: 'a!' },
      ])
    })

    it.each([
      [[{ sql: INSERT, params: [1] }], 'statements[0] takes 2 parameters and statements[0].params has 1'],
      [[{ sql: INSERT }], 'statements[0] takes 2 parameters and statements[0].params has 0'],
      [[{ sql: INSERT, params: [1, []] }], /^statements\[0\]\.params\[1\] is an array; it must be null/],
      [
        [{ sql: INSERT, params: [1, { int64: '9223372036854775808' }] }],
        /params\[1\]\.int64 is .*within 64 bits/,
      ],
      [[{ sql: INSERT, params: [1, { base64: 'A' }] }], /params\[1\]\.base64 is "A"/],
      [[{ sql: INSERT, params: [1, { int64: '1', base64: '' }] }], /must have one of int64, float64, base64/],
      [
        [{ sql: INSERT, params: [1, 2 ** 53] }],
        /params\[1\] is 9007199254740992; it must be an integer below 2\^53/,
      ],
      [[{ sql: INSERT, params: [1, '\ud800'] }], /params\[1\] is not well-formed Unicode/],
      [[{ sql: INSERT, params: {} }], 'statements[0].params is an object; it must be an array'],
      [[{ sql: 7 }], 'statements[0].sql is 7; it must be a string'],
      [[{ name: 'add' }], 'statements[0] has an unknown key "name"; it may have sql, params, expect_rows'],
      [[{ sql: 'SELECT 1', expect_rows: -1 }], /expect_rows is -1; it must be an integer from 0/],
      [[], 'statements has 0 entries; it may have 1 to 10000'],
    ])('that is malformed is a no vote that names the field: %j', async (statements, reason) => {
      const participant = open(seeded(SALES))
      const voted = await participant.prepare(prepareRequest(xid(1), bytes({ statements })))
      expect(voted).toMatchObject({ vote: 'no', retryable: false })
      const message = voted.vote === 'no' ? voted.message.replace('malformed work: ', '') : ''
      if (typeof reason === 'string') expect(message).toBe(reason)
      else expect(message).toMatch(reason)
    })

    it.each([
      ['SELECT * FROM nowhere', 'statements[0]: no such table: nowhere'],
      ['INSERT INTO', 'statements[0]: incomplete input'],
      ["INSERT INTO sales VALUES ('x', 1)", 'statements[0]: datatype mismatch'],
      ["SELECT load_extension('x')", 'statements[0]: not authorized'],
    ])('that SQLite refuses is a no vote in its words: %s', async (sql, message) => {
      expect(await prepare(open(seeded(SALES)), xid(1), [sql])).toEqual({
        vote: 'no',
        retryable: false,
        message,
      })
    })

    it('that fails half-way through a read leaves nothing open behind it', async () => {
      const file = seeded(`${SALES}; INSERT INTO sales VALUES (1, 'a'), (2, 'b')`)
      const participant = open(file)
      const overflow = 'SELECT abs(CASE id WHEN 1 THEN 1 ELSE -9223372036854775807 - 1 END) FROM sales'
      expect(await prepare(participant, xid(1), [overflow])).toMatchObject({
        vote: 'no',
        message: 'statements[0]: integer overflow',
      })
      expect(stranger(file, "INSERT INTO sales VALUES (3, 'c')")).toBe('done')
      expect(await prepare(participant, xid(2), [{ sql: 'DELETE FROM sales', expect_rows: 3 }])).toEqual(YES)
    })

    it('never throws at prepare, and never leaves a transaction open', async () => {
      const file = seeded(SALES)
      const participant = open(file)
      const fragment = fc.constantFrom(
        'INSERT',
        'SELECT',
        'sales',
        'INTO',
        "'",
        '"',
        ';',
        '--',
        '/*',
        '?',
        '(',
        '1',
        'COMMIT',
        ',',
        ' ',
        'WITH',
      )
      const sql = fc.oneof(
        fc.string(),
        fc.array(fragment).map((parts) => parts.join(' ')),
      )
      const entry = fc.oneof(
        fc.record({ sql, params: fc.array(fc.jsonValue()) }, { requiredKeys: ['sql'] }),
        fc.jsonValue(),
      )
      const anyWork = fc.oneof(
        fc.uint8Array(),
        fc.array(entry).map((statements) => bytes({ statements })),
      )
      await fc.assert(
        fc.asyncProperty(anyWork, async (work) => {
          const voted = await participant.prepare(prepareRequest(xid(1), work))
          expect(['no', 'read_only']).toContain(voted.vote)
        }),
        { numRuns: 300 },
      )
      expect(await prepare(participant, xid(2), ["INSERT INTO sales VALUES (1, 'a')"])).toEqual(YES)
    })
  })

  describe('named statements', () => {
    const statements = { add_sale: INSERT, drop_sale: 'DELETE FROM sales WHERE id = ?' }

    it('are the only ones taken', async () => {
      const file = seeded(SALES)
      const participant = open(file, statements)
      expect(
        await prepare(participant, xid(1), [{ name: 'add_sale', params: [1, 'a'], expect_rows: 1 }]),
      ).toEqual(YES)
      await participant.commit(xid(1))
      expect(query(file, 'SELECT * FROM sales')).toHaveLength(1)
      const no = async (entry: Readonly<Record<string, unknown>>): Promise<string> => {
        const voted = await prepare(participant, xid(2), [entry])
        return voted.vote === 'no' ? voted.message : voted.vote
      }
      expect(await no({ sql: 'DELETE FROM sales' })).toMatch(
        /unknown key "sql"; it may have name, params, expect_rows/,
      )
      expect(await no({ name: 'toString' })).toMatch(/this participant takes add_sale, drop_sale/)
    })

    it('are checked when the participant is made, all of them', () => {
      const wrong = { ...statements, end: 'COMMIT', two: 'SELECT 1; SELECT 2' }
      expect(() => createSqliteParticipant({ file: 'unused.db', statements: wrong })).toThrow(
        /"end" begins with COMMIT.*; statement "two" is more than one statement/,
      )
    })
  })

  describe('a file that fails for real', () => {
    /** With the participant's own connection at hand. */
    const openWithHandle = async (
      file: string,
    ): Promise<{ participant: Participant; exec: (sql: string) => void }> => {
      const databases: RecordingDatabase[] = []
      const openDatabase = (path: string): RecordingDatabase => {
        const database = openNodeSqlite(path)
        databases.push(database)
        return database
      }
      const resourceKind = sqliteResourceKind({ file, limits, openDatabase })
      const participant = closing(createPledgeParticipant({ resourceKind, limits }))
      await participant.describe()
      return { participant, exec: (sql) => databases.at(-1)?.exec(sql) }
    }
    const big = ['INSERT INTO sales VALUES (2, hex(zeroblob(100000)))']

    it('SQLITE_FULL: no, retryable; a commit stays unknown until there is room', async () => {
      const file = seeded(`${SALES}; CREATE INDEX by_what ON sales (what)`)
      const { participant, exec } = await openWithHandle(file)
      expect(await prepare(participant, xid(1), big)).toEqual(YES)
      // The index needs more room than the pledge gives back.
      exec('PRAGMA max_page_count = 1')
      expect(await participant.commit(xid(1))).toMatchObject({
        result: 'unknown',
        message: expect.stringMatching(/is full/) as string,
      })
      expect(await participant.abort(xid(2))).toMatchObject({ result: 'done' })
      exec('PRAGMA max_page_count = 1000000')
      expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
      exec('PRAGMA max_page_count = 1')
      const third = await prepare(participant, xid(3), ['UPDATE sales SET what = hex(zeroblob(900000))'])
      expect(third).toMatchObject({
        vote: 'no',
        retryable: true,
        message: expect.stringMatching(/is full/) as string,
      })
    })

    it('SQLITE_READONLY: no; a commit stays unknown', async () => {
      const { participant, exec } = await openWithHandle(seeded(SALES))
      await prepare(participant, xid(1), big)
      exec('PRAGMA query_only = ON')
      expect(await participant.commit(xid(1))).toMatchObject({
        result: 'unknown',
        message: expect.stringMatching(/can not be written/) as string,
      })
      exec('PRAGMA query_only = OFF')
      await participant.abort(xid(1))
      exec('PRAGMA query_only = ON')
      expect(await prepare(participant, xid(3), big)).toMatchObject({ vote: 'no', retryable: false })
    })

    it('SQLITE_CORRUPT: no, with the advice to restore it', async () => {
      const file = seeded(`${SALES}; CREATE TABLE fine (a INTEGER PRIMARY KEY)`)
      const [root] = query(file, "SELECT rootpage FROM sqlite_schema WHERE name = 'sales'")
      const handle = openSync(file, 'r+')
      writeSync(handle, Buffer.alloc(4096, 0x5a), 0, 4096, (Number(root?.['rootpage']) - 1) * 4096)
      closeSync(handle)
      const participant = open(file)
      const damaged = { vote: 'no', message: expect.stringMatching(/damaged: restore it/) as string }
      expect(await prepare(participant, xid(1), ["INSERT INTO sales VALUES (1, 'a')"])).toMatchObject(damaged)
      expect(await prepare(participant, xid(2), ['INSERT INTO fine VALUES (1)'])).toEqual(YES)
    })
  })

  describe('the database', () => {
    it('is made where there is none, and its tables may come later', async () => {
      const file = temporaryFile('sink.db')
      const participant = open(file)
      await participant.describe()
      expect(stranger(file, SALES)).toBe('done')
      expect(await prepare(participant, xid(1), [[INSERT, 1, 'a']])).toEqual(YES)
    })

    it('that is none is refused with a sentence', async () => {
      const file = temporaryFile('sink.db')
      writeFileSync(file, 'not a database '.repeat(100))
      await expect(open(file).describe()).rejects.toThrow(
        /sqlite database .*sink\.db can not be opened: the file is not a SQLite database/,
      )
      await expect(open(join(file, 'x')).describe()).rejects.toMatchObject({ code: 'CONFIGURATION' })
    })

    it('whose pledges are of a later format is left alone', async () => {
      const file = seeded(SALES)
      const first = open(file)
      await first.describe()
      await first.close()
      withDatabase(file, (database) =>
        database.exec("UPDATE pledged_meta SET value = '2' WHERE key = 'format'"),
      )
      await expect(open(file).describe()).rejects.toThrow(/of format 2, and this version reads format 1/)
    })
  })
})
