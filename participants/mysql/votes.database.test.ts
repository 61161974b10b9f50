/** What work is refused for, and what it leaves behind then. */
import { describe, expect, inject, it } from 'vitest'
import type { Participant, Vote, Xid } from '../../src/sdk/participant/index.ts'
import type { ServerParticipantOptions } from '../shared/servers/options.ts'
import { freshLog } from '../testing/servers/fresh-log.ts'
import { consoleAt, endXa, openLedger, seededDatabase, sql } from '../testing/servers/mysql.ts'
import { prepareSql } from '../testing/servers/postgres.ts'

interface Opened {
  readonly url: string
  readonly participant: Participant
  readonly xid: (sequence: number) => Xid
}

async function opened(options: Partial<ServerParticipantOptions> = {}): Promise<Opened> {
  const url = await seededDatabase(inject('mariadbUrl'))
  return reopened(url, options)
}

async function reopened(url: string, options: Partial<ServerParticipantOptions> = {}): Promise<Opened> {
  const participant = openLedger(url, options)
  await participant.describe()
  return { url, participant, xid: freshLog().xid }
}

async function countOf(url: string, table: string): Promise<number> {
  const [row] = await sql(url, `SELECT COUNT(*) AS count FROM ${table}`)
  return Number(row?.['count'])
}

function no(message: RegExp, retryable = false): Vote {
  return { vote: 'no', message: expect.stringMatching(message) as string, retryable }
}

async function nothingPrepared(participant: Participant): Promise<void> {
  expect((await participant.listPrepared(10, '')).branches).toEqual([])
}

describe('work that would end its own transaction (R14)', () => {
  it.each([
    'COMMIT',
    "XA END 'x'",
    'BEGIN',
    'SET autocommit = 0',
    'CREATE TABLE made (id INT)',
    'LOCK TABLES accounts READ',
    'CALL finish()',
    'INSERT INTO accounts VALUES (3, 1); COMMIT',
    'INSERT INTO accounts VALUES (3, 1) /*! ; COMMIT */',
  ])('is refused: %s', async (statement) => {
    const { participant, url, xid } = await opened()
    await sql(url, 'CREATE PROCEDURE finish() COMMIT')
    const insert = 'INSERT INTO accounts VALUES (9, 1)'
    expect(await prepareSql(participant, xid(1), [insert, statement])).toMatchObject({ vote: 'no' })
    expect(await countOf(url, 'accounts')).toBe(2)
    await nothingPrepared(participant)
  })

  it('is refused where a routine swallowed a deadlock, which undid what came before', async () => {
    const { participant, url, xid } = await opened()
    await sql(
      url,
      `CREATE FUNCTION swallow(n INT) RETURNS INT MODIFIES SQL DATA BEGIN
         DECLARE CONTINUE HANDLER FOR 1213 RETURN 0;
         UPDATE accounts SET balance = balance + 1 WHERE id = n; RETURN 1; END`,
    )
    const other = await heavier(url)
    const pledging = prepareSql(participant, xid(1), [
      'UPDATE accounts SET balance = 8 WHERE id = 1',
      'SELECT swallow(2)',
      'INSERT INTO accounts VALUES (6, 1)',
    ])
    await waitingForLock(url)
    await other.query('UPDATE accounts SET balance = 9 WHERE id = 1')
    expect(await pledging).toMatchObject({ vote: 'no' })
    await other.query('ROLLBACK')
    expect(await countOf(url, 'accounts WHERE id = 6 OR balance = 8')).toBe(0)
    await nothingPrepared(participant)
  })
})

/** A transaction that holds account 2, and has changed more than the one that will meet it: that one is the victim. */
async function heavier(url: string): Promise<Awaited<ReturnType<typeof consoleAt>>> {
  const other = await consoleAt(url)
  await other.query('START TRANSACTION')
  await other.query('UPDATE accounts SET balance = 7 WHERE id = 2')
  for (const id of [13, 14, 15]) await other.query(`INSERT INTO accounts VALUES (${id}, 1)`)
  return other
}

/** Until the second account is being changed, which somebody else holds. */
async function waitingForLock(url: string): Promise<void> {
  await expect
    .poll(
      async () => {
        const [row] = await sql(
          url,
          `SELECT COUNT(*) AS count FROM information_schema.processlist
            WHERE db = DATABASE() AND state = 'Updating' AND info REGEXP '^UPDATE accounts .* id = .*2'`,
        )
        return Number(row?.['count'])
      },
      { timeout: 10_000 },
    )
    .toBeGreaterThan(0)
}

describe('a table that no abort can undo', () => {
  const insert = 'INSERT INTO notes VALUES (1)'
  const engineless = /accounts|notes/

  it.each(['MyISAM', 'MEMORY', 'Aria', 'Aria TRANSACTIONAL=1'])(
    'of the engine %s: no, before',
    async (engine) => {
      const { participant, url, xid } = await opened()
      await sql(url, `CREATE TABLE notes (id INT) ENGINE=${engine}`)
      const vote = await prepareSql(participant, xid(1), ['UPDATE accounts SET balance = 1', insert])
      expect(vote).toEqual(no(/^statements\[1\] may write .*notes, whose engine .* ENGINE=InnoDB/))
      expect(await countOf(url, 'notes')).toBe(0)
      await nothingPrepared(participant)
      // Made since the catalogue was read, under a name that it has not looked for.
      await sql(url, 'CREATE TABLE newer (id INT) ENGINE=MyISAM')
      expect(await prepareSql(participant, xid(2), ['INSERT INTO `newer` VALUES (1)'])).toMatchObject({
        vote: 'no',
      })
      expect(await countOf(url, 'newer')).toBe(0)
    },
  )

  it.each([
    ['a view', ['CREATE VIEW seen AS SELECT * FROM notes'], 'INSERT INTO seen VALUES (1)'],
    [
      'a trigger',
      ['CREATE TRIGGER noted AFTER UPDATE ON accounts FOR EACH ROW INSERT INTO notes VALUES (NEW.id)'],
      'UPDATE accounts SET balance = 1',
    ],
    [
      'a function, called by a SELECT',
      [
        'CREATE FUNCTION note() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO notes VALUES (1); RETURN 1; END',
      ],
      'SELECT note()',
    ],
    [
      'a view of a view, and a trigger that calls a routine',
      [
        'CREATE TABLE inner_table (id INT)',
        'CREATE PROCEDURE note() INSERT INTO notes VALUES (1)',
        'CREATE TRIGGER noted AFTER INSERT ON inner_table FOR EACH ROW CALL note()',
        'CREATE VIEW one AS SELECT * FROM inner_table',
        'CREATE VIEW two AS SELECT * FROM one',
      ],
      'INSERT INTO two VALUES (1)',
    ],
  ])('is found behind %s', async (_, definitions, statement) => {
    const { participant, url, xid } = await opened()
    await sql(url, 'CREATE TABLE notes (id INT) ENGINE=MyISAM', ...definitions)
    expect(await prepareSql(participant, xid(1), [statement])).toEqual(no(engineless))
    expect(await countOf(url, 'notes')).toBe(0)
    await nothingPrepared(participant)
  })

  it('may be read by a SELECT, and be there', async () => {
    const { participant, url, xid } = await opened()
    await sql(url, 'CREATE TABLE notes (id INT) ENGINE=MyISAM', 'INSERT INTO notes VALUES (1)')
    const change = 'UPDATE accounts SET balance = 1 WHERE id = 1'
    expect(await prepareSql(participant, xid(1), ['SELECT * FROM notes', change])).toEqual({ vote: 'yes' })
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
  })

  it('that the user may not see is found after the fact', async () => {
    const { url } = await opened()
    const database = new URL(url).pathname.slice(1)
    const [row] = await sql(url, 'SELECT CURRENT_USER() AS user')
    const [name, host] = String(row?.['user']).split('@')
    const admin = new URL(inject('mariadbUrl'))
    const hidden = `hidden_${database}`
    await sql(
      admin.href,
      `CREATE DATABASE ${hidden}`,
      `CREATE TABLE ${hidden}.notes (id INT) ENGINE=MyISAM`,
      `CREATE TRIGGER ${database}.noted AFTER UPDATE ON ${database}.accounts
         FOR EACH ROW INSERT INTO ${hidden}.notes VALUES (NEW.id)`,
      `REVOKE ALL PRIVILEGES ON \`${database}\`.* FROM '${name}'@'${host}'`,
      `GRANT SELECT, INSERT, UPDATE, DELETE ON \`${database}\`.* TO '${name}'@'${host}'`,
    )
    const { participant, xid } = await reopened(url)
    const change = 'UPDATE accounts SET balance = 1 WHERE id = 1'
    expect(await prepareSql(participant, xid(1), [change])).toEqual(no(/that change stays/))
    expect(await countOf(url, 'accounts WHERE balance = 1')).toBe(0)
    await nothingPrepared(participant)
    await sql(admin.href, `DROP DATABASE ${hidden}`)
  })

  it('is also one of the server’s own', async () => {
    const { participant, xid } = await opened()
    expect(await prepareSql(participant, xid(1), ["DELETE FROM mysql.user WHERE user = 'x'"])).toEqual(
      no(/server's own/),
    )
  })
})

describe('a no vote', () => {
  it.each([
    ['INSERT INTO accounts VALUES (1, 1)', /^statements\[0\]: Duplicate entry .*\(error 1062\)$/],
    ['UPDATE accounts SET balance = -1 WHERE id = 1', /CONSTRAINT .*failed/],
    ['UPDATE nowhere SET a = 1', /nowhere.* doesn't exist/],
    ['SELEC 1', /^malformed work: statements\[0\] begins with SELEC/],
    ['SELECT FROM', /error in your SQL syntax/],
    ["INSERT INTO accounts VALUES (3, 'x')", /Incorrect integer value/],
  ])('says what the database says: %s', async (statement, reason) => {
    const { participant, url, xid } = await opened()
    expect(await prepareSql(participant, xid(1), [statement])).toEqual(no(reason))
    expect(await countOf(url, 'accounts')).toBe(2)
    await nothingPrepared(participant)
  })

  it('says how many rows were to be affected', async () => {
    const { participant, url, xid } = await opened()
    const update = 'UPDATE accounts SET balance = 100 WHERE id <= ?'
    const counted = (n: number) => [{ sql: update, params: [2], expect_rows: n }]
    expect(await prepareSql(participant, xid(1), counted(1))).toEqual(
      no(/was to affect 1 rows, and affected 2/),
    )
    // Found, whether or not they differ afterwards.
    expect(await prepareSql(participant, xid(2), counted(2))).toEqual({ vote: 'yes' })
    const read = (n: number) => [{ sql: 'SELECT * FROM accounts', expect_rows: n }]
    expect(await prepareSql(participant, xid(3), read(3))).toMatchObject({ vote: 'no' })
    expect(await prepareSql(participant, xid(4), read(2))).toEqual({ vote: 'read_only' })
    expect(await participant.commit(xid(2))).toMatchObject({ result: 'done' })
    expect(await countOf(url, 'accounts WHERE balance = 100')).toBe(2)
  })

  it('is retryable after a deadlock', async () => {
    const { participant, url, xid } = await opened()
    const other = await heavier(url)
    const pledging = prepareSql(participant, xid(1), [
      'UPDATE accounts SET balance = 8 WHERE id = 1',
      'UPDATE accounts SET balance = 8 WHERE id = 2',
    ])
    await waitingForLock(url)
    await other.query('UPDATE accounts SET balance = 9 WHERE id = 1')
    expect(await pledging).toEqual(no(/Deadlock.*\(error 1213\)/, true))
    await other.query('ROLLBACK')
    await nothingPrepared(participant)
  })

  it('is retryable where a table was locked for longer than the lock timeout', async () => {
    const { participant, url, xid } = await opened({ lockTimeoutMs: 1_000 })
    const other = await consoleAt(url)
    await other.query('LOCK TABLES accounts WRITE')
    const update = ['UPDATE accounts SET balance = 8']
    expect(await prepareSql(participant, xid(1), update)).toEqual(no(/longer than the lock timeout/, true))
    await other.query('UNLOCK TABLES')
    expect(await prepareSql(participant, xid(2), update)).toEqual({ vote: 'yes' })
    await participant.abort(xid(2))
  })

  it('comes when the vote is no longer waited for, and the statement is gone from the server', async () => {
    const { participant, url, xid } = await opened()
    const slow = ['SELECT SLEEP(1000)']
    expect(await prepareSql(participant, xid(1), slow, { timeoutMs: 300 })).toEqual(
      no(/took longer than its vote is waited for/, true),
    )
    const running = await sql(
      url,
      "SELECT id FROM information_schema.processlist WHERE info LIKE '%SLEEP(1%'",
    )
    expect(running.length).toBeLessThanOrEqual(1)
    await nothingPrepared(participant)
  })

  it('is for what is prepared already, which stays', async () => {
    const { participant, url, xid } = await opened()
    const update = ['UPDATE accounts SET balance = 8 WHERE id = 1']
    expect(await prepareSql(participant, xid(1), update)).toEqual({ vote: 'yes' })
    const { participant: second } = await reopened(url)
    expect(await prepareSql(second, xid(1), update)).toEqual(no(/prepared already/))
    // Nor is it rolled back where its own session is gone, and any other could.
    await participant.close()
    await expect
      .poll(() => sql(url, "SELECT id FROM information_schema.processlist WHERE command = 'Sleep'"))
      .toHaveLength(1)
    expect(await prepareSql(second, xid(1), update)).toEqual(no(/prepared already/))
    expect(await second.commit(xid(1))).toMatchObject({ result: 'done' })
    expect(await countOf(url, 'accounts WHERE balance = 8')).toBe(1)
  })
})

describe('the values of parameters', () => {
  it('arrive as they were given', async () => {
    const { participant, url, xid } = await opened()
    await sql(
      url,
      'CREATE TABLE all_kinds (i BIGINT, d DOUBLE, t TEXT CHARACTER SET utf8mb4, b BLOB, f BOOLEAN, n INT, j JSON)',
    )
    const params = [
      { int64: '9223372036854775807' },
      { float64: 1.5e300 },
      "it's ? \\ 😀 $1",
      { base64: 'AP8n' },
      true,
      null,
      '{"a": 1}',
    ]
    const insert = { sql: 'INSERT INTO all_kinds VALUES (?, ?, ?, ?, ?, ?, ?)', params, expect_rows: 1 }
    const find = {
      sql: 'SELECT 1 FROM all_kinds WHERE i = ?',
      params: [{ int64: '9223372036854775807' }],
      expect_rows: 1,
    }
    const reckon = {
      sql: "SELECT 1 FROM all_kinds WHERE CAST(? + 0 AS CHAR) = '9007199254740993'",
      params: [{ int64: '9007199254740993' }],
      expect_rows: 1,
    }
    expect(await prepareSql(participant, xid(1), [insert, find, reckon])).toEqual({ vote: 'yes' })
    await participant.commit(xid(1))
    const [row] = await sql(
      url,
      'SELECT CAST(i AS CHAR) AS i, d, t, HEX(b) AS b, f, n, CAST(j AS CHAR) AS j FROM all_kinds',
    )
    expect(row).toEqual({
      i: '9223372036854775807',
      d: 1.5e300,
      t: "it's ? \\ 😀 $1",
      b: '00FF27',
      f: 1,
      n: null,
      j: '{"a": 1}',
    })
  })

  it('are refused where there are too many or too few', async () => {
    const { participant, xid } = await opened()
    const update = { sql: 'UPDATE accounts SET balance = ?', params: [] }
    expect(await prepareSql(participant, xid(1), [update])).toEqual(no(/takes 1 parameters/))
  })
})

describe('branches prepared by others at the same server', () => {
  it('are not this database’s, even under the same name', async () => {
    const { participant, url, xid } = await opened()
    const other = await opened()
    const update = ['UPDATE accounts SET balance = 8 WHERE id = 1']
    expect(await prepareSql(other.participant, other.xid(1), update)).toEqual({ vote: 'yes' })
    await nothingPrepared(participant)
    // A stranger's, of this name and without a witness.
    const console = await consoleAt(url)
    const name = `'pledged/${xid(7)}','ledger'`
    await console.query(`XA START ${name}`)
    await console.query('UPDATE accounts SET balance = 9 WHERE id = 2')
    await console.query(`XA END ${name}`)
    await console.query(`XA PREPARE ${name}`)
    await nothingPrepared(participant)
    console.destroy()
    await endXa(url, 'abort', xid(7))
    expect(await other.participant.abort(other.xid(1))).toMatchObject({ result: 'done' })
  })
})
