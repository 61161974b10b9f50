/**
 * A test per row of the table: provoked at a real server where that can be done at will, and else raised by it with
 * SIGNAL, so that number, text and phase take the way that they always take.
 */
import { createServer, type Server } from 'node:net'
import mysql from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { type DatabaseServer, startMariadb } from '../../src/demo/servers/index.ts'
import { DatabaseFailure, type Effect } from '../shared/servers/database-failure.ts'
import { freshLog } from '../testing/servers/fresh-log.ts'
import { consoleAt, openLedger, sql } from '../testing/servers/mysql.ts'
import { prepareSql } from '../testing/servers/postgres.ts'
import { failureOf, MYSQL_ERRORS, PHASES, type Phase } from './errors.ts'

interface Facts {
  /** Of what forces the log: XA PREPARE, XA COMMIT, the writing of a witness. */
  readonly forced: Effect
  readonly retryable: boolean
  readonly connectionLost: boolean
}

const REFUSED: Facts = { forced: 'not_done', retryable: false, connectionLost: false }
const RETRYABLE: Facts = { ...REFUSED, retryable: true }
const UNKNOWN: Facts = { ...RETRYABLE, forced: 'unknown' }
const SEVERED: Facts = { ...UNKNOWN, connectionLost: true }
const UNCONNECTED: Facts = { ...REFUSED, connectionLost: true }
const UNCONNECTED_NOW: Facts = { ...RETRYABLE, connectionLost: true }

const EXPECTED: Readonly<Record<string, Facts>> = {
  1021: UNKNOWN,
  1030: UNKNOWN,
  1040: UNCONNECTED_NOW,
  1044: REFUSED,
  1045: UNCONNECTED,
  1049: UNCONNECTED,
  1053: SEVERED,
  1062: REFUSED,
  1094: REFUSED,
  1095: REFUSED,
  1114: RETRYABLE,
  1142: REFUSED,
  1143: REFUSED,
  1146: REFUSED,
  1180: UNKNOWN,
  1181: UNKNOWN,
  1203: UNCONNECTED_NOW,
  1205: RETRYABLE,
  1213: RETRYABLE,
  1226: RETRYABLE,
  1227: REFUSED,
  1290: RETRYABLE,
  1317: UNKNOWN,
  1370: REFUSED,
  1397: REFUSED,
  1398: REFUSED,
  1399: REFUSED,
  1400: RETRYABLE,
  1401: UNKNOWN,
  1402: RETRYABLE,
  1440: REFUSED,
  1613: RETRYABLE,
  1614: RETRYABLE,
  1665: REFUSED,
  1792: RETRYABLE,
  1836: RETRYABLE,
  1927: SEVERED,
  1969: UNKNOWN,
  2006: SEVERED,
  2013: SEVERED,
  3024: UNKNOWN,
  3101: RETRYABLE,
  4031: UNCONNECTED_NOW,
  ECONNREFUSED: UNCONNECTED_NOW,
  ENOENT: UNCONNECTED_NOW,
  ENOTFOUND: UNCONNECTED_NOW,
  HANDSHAKE_NO_SSL_SUPPORT: UNCONNECTED,
  ETIMEDOUT: SEVERED,
  ECONNRESET: SEVERED,
  EPIPE: SEVERED,
  PROTOCOL_CONNECTION_LOST: SEVERED,
}

let server: DatabaseServer
let url: string

beforeAll(async () => {
  server = await startMariadb()
  url = await server.createDatabase('errors')
  await sql(
    url,
    'CREATE TABLE accounts (id INT PRIMARY KEY, balance INT)',
    'INSERT INTO accounts VALUES (1, 1), (2, 1)',
  )
})
afterAll(() => server.stop())

function expectFacts(error: unknown, code: string): void {
  const { forced, retryable, connectionLost } = EXPECTED[code] ?? REFUSED
  for (const phase of PHASES) {
    const failure = failureOf(error, phase)
    expect(failure.code).toBe(code)
    expect(failure.effect).toBe(effectIn(phase, forced))
    expect(failure.retryable).toBe(retryable)
    expect(failure.connectionLost).toBe(connectionLost || phase === 'connect')
  }
}

function effectIn(phase: Phase, forced: Effect): Effect {
  return phase === 'prepare' || phase === 'end' ? forced : 'not_done'
}

async function errorOf(run: () => Promise<unknown>): Promise<unknown> {
  try {
    await run()
  } catch (error) {
    return error
  }
  throw new Error('this was to fail, and did not')
}

const isServers = (code: string): boolean => /^[1-9]/.test(code)

it('has a row here for each row there', () => {
  expect(Object.keys(EXPECTED).sort()).toEqual(Object.keys(MYSQL_ERRORS).sort())
})

describe('raised by the server', () => {
  it.each(Object.keys(EXPECTED).filter(isServers))('%s', async (code) => {
    const error = await errorOf(() =>
      sql(
        url,
        `BEGIN NOT ATOMIC SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = ${code}, MESSAGE_TEXT = 'by order'; END`,
      ),
    )
    expectFacts(error, code)
    expect(failureOf(error, 'work').message).toContain(`by order (error ${code})`)
  })

  it('a code that is not listed: the statement failed, and what forces may have worked', async () => {
    const error = await errorOf(() =>
      sql(url, "BEGIN NOT ATOMIC SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 9999, MESSAGE_TEXT = 'new'; END"),
    )
    expect(failureOf(error, 'work')).toMatchObject({ effect: 'not_done', connectionLost: false })
    expect(failureOf(error, 'end')).toMatchObject({ effect: 'unknown', connectionLost: false })
  })
})

describe('as they happen: transactions and locks', () => {
  const provoked: readonly (readonly [string, readonly string[]])[] = [
    ['1397', ["XA COMMIT 'nowhere'"]],
    ['1398', ["XA START 'a' JOIN"]],
    ['1399', ["XA START 'b'", 'COMMIT']],
    ['1400', ['START TRANSACTION', 'UPDATE accounts SET balance = 1', "XA START 'c'"]],
    ['1440', ["XA START 'd'", "XA END 'd'", "XA PREPARE 'd'", 'DUPLICATE']],
    ['1062', ['INSERT INTO accounts VALUES (1, 1)']],
    ['1094', ['KILL 999999999']],
    ['1146', ['SELECT * FROM nowhere']],
    ['1792', ['SET SESSION TRANSACTION READ ONLY', 'UPDATE accounts SET balance = 2']],
    ['1969', ['SET max_statement_time = 0.05', 'SELECT SLEEP(100) FROM accounts']],
  ]
  it.each(provoked)('%s', async (code, statements) => {
    const connection = await consoleAt(url)
    const last = statements.at(-1) ?? ''
    for (const statement of statements.slice(0, -1)) await connection.query(statement)
    const error = await errorOf(() =>
      last === 'DUPLICATE' ? sql(url, "XA START 'd'") : connection.query(last),
    )
    expectFacts(error, code)
    if (last === 'DUPLICATE') await connection.query("XA ROLLBACK 'd'")
  })

  it('1205 and 1213', async () => {
    const [one, two] = [await consoleAt(url), await consoleAt(url)]
    for (const connection of [one, two]) await connection.query('SET innodb_lock_wait_timeout = 1')
    await one.query('START TRANSACTION')
    await one.query('UPDATE accounts SET balance = 2 WHERE id = 1')
    expectFacts(await errorOf(() => two.query('UPDATE accounts SET balance = 3 WHERE id = 1')), '1205')
    for (const connection of [one, two]) await connection.query('SET innodb_lock_wait_timeout = 20')
    await two.query('START TRANSACTION')
    await two.query('UPDATE accounts SET balance = 3 WHERE id = 2')
    const crossing = await Promise.allSettled([
      one.query('UPDATE accounts SET balance = 2 WHERE id = 2'),
      two.query('UPDATE accounts SET balance = 3 WHERE id = 1'),
    ])
    const victims = crossing.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    )
    expect(victims).toHaveLength(1)
    expectFacts(victims[0], '1213')
  })

  it('1317 and 1927', async () => {
    const [one, two] = [await consoleAt(url), await consoleAt(url)]
    const slow = errorOf(() => one.query('SELECT SLEEP(100) FROM accounts'))
    await running(one.threadId)
    await two.query(`KILL QUERY ${one.threadId}`)
    expectFacts(await slow, '1317')
    const slower = errorOf(() => one.query('SELECT SLEEP(100) FROM accounts'))
    await running(one.threadId)
    await two.query(`KILL CONNECTION ${one.threadId}`)
    const error = await slower
    expectFacts(error, failureOf(error, 'work').code === '1927' ? '1927' : 'PROTOCOL_CONNECTION_LOST')
  })

  async function running(id: number): Promise<void> {
    await expect
      .poll(() =>
        sql(url, `SELECT 1 FROM information_schema.processlist WHERE id = ${id} AND state = 'User sleep'`),
      )
      .toHaveLength(1)
  }
})

describe('as they happen: rights and settings', () => {
  const at = (path: string, user?: readonly [string, string]): string => {
    const changed = new URL(url)
    changed.pathname = path
    if (user !== undefined) [changed.username, changed.password] = user
    return changed.href
  }

  it('1045, 1044 or 1049 where nobody is let in', async () => {
    expectFacts(await errorOf(() => sql(at('/errors', ['errors', 'wrong']), 'SELECT 1')), '1045')
    expectFacts(await errorOf(() => sql(at('/mysql'), 'SELECT 1')), '1044')
    const admin = new URL(server.url)
    admin.pathname = '/nowhere'
    expectFacts(await errorOf(() => sql(admin.href, 'SELECT 1')), '1049')
  })

  it('1142, 1143, 1227 and 1370 where a right is missing', async () => {
    await sql(
      server.url,
      'CREATE TABLE errors.guarded (a INT, b INT)',
      "CREATE USER poor@'%' IDENTIFIED BY 'poor'",
      "GRANT SELECT (a) ON errors.guarded TO poor@'%'",
      'CREATE FUNCTION errors.rich() RETURNS INT RETURN 1',
    )
    const poor = at('/errors', ['poor', 'poor'])
    expectFacts(await errorOf(() => sql(poor, 'INSERT INTO guarded VALUES (1, 1)')), '1142')
    expectFacts(await errorOf(() => sql(poor, 'SELECT b FROM guarded')), '1143')
    expectFacts(await errorOf(() => sql(poor, 'SET GLOBAL read_only = 1')), '1227')
    expectFacts(await errorOf(() => sql(poor, 'SELECT rich()')), '1370')
    const admin = await consoleAt(server.url)
    expectFacts(await errorOf(() => sql(poor, `KILL ${admin.threadId}`)), '1095')
  })

  it('1290 where the server is read-only', async () => {
    await sql(server.url, 'SET GLOBAL read_only = 1')
    const error = await errorOf(() => sql(url, 'UPDATE accounts SET balance = 1'))
    await sql(server.url, 'SET GLOBAL read_only = 0')
    expectFacts(error, '1290')
  })

  it('neither pledges nor bars there, also for a user whom read_only does not stop', async () => {
    const address = new URL(server.url)
    address.pathname = '/errors'
    const admin = openLedger(address.href)
    await admin.describe()
    const { xid } = freshLog()
    await sql(server.url, 'SET GLOBAL read_only = 1')
    const voted = await prepareSql(admin, xid(1), ['UPDATE accounts SET balance = 1'])
    const aborted = await admin.abort(xid(2))
    await sql(server.url, 'SET GLOBAL read_only = 0')
    expect(voted).toMatchObject({
      vote: 'no',
      retryable: true,
      message: expect.stringContaining('read_only') as string,
    })
    expect(aborted).toMatchObject({
      result: 'unknown',
      message: expect.stringContaining('read_only') as string,
    })
    expect(await admin.abort(xid(2))).toMatchObject({ result: 'done', evidence: 'witness_aborted' })
  })

  it('1203 and 1226 where there are too many', async () => {
    await sql(
      server.url,
      "CREATE USER few@'%' IDENTIFIED BY 'few' WITH MAX_USER_CONNECTIONS 1",
      "GRANT SELECT ON errors.* TO few@'%'",
    )
    const few = at('/errors', ['few', 'few'])
    await consoleAt(few)
    const error = await errorOf(() => sql(few, 'SELECT 1'))
    expect(['1203', '1226']).toContain(failureOf(error, 'connect').code)
    expectFacts(error, failureOf(error, 'connect').code)
  })
})

describe('of the connection', () => {
  it('ECONNREFUSED, ENOENT, ENOTFOUND: nobody is there', async () => {
    const port = await portOf(createServer(), { listening: false })
    expectFacts(await errorOf(() => mysql.createConnection({ host: '127.0.0.1', port })), 'ECONNREFUSED')
    expectFacts(await errorOf(() => mysql.createConnection({ socketPath: '/nowhere.sock' })), 'ENOENT')
    expectFacts(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND', errno: -3008 }), 'ENOTFOUND')
  })

  it('HANDSHAKE_NO_SSL_SUPPORT: TLS was asked for, and the server has none', async () => {
    const wanting = { uri: inject('mariadbUrl'), ssl: { rejectUnauthorized: false } }
    expectFacts(await errorOf(() => mysql.createConnection(wanting)), 'HANDSHAKE_NO_SSL_SUPPORT')
  })

  it('ETIMEDOUT: it takes the connection and says nothing', async () => {
    const silent = createServer(() => {})
    const port = await portOf(silent)
    const error = await errorOf(() =>
      mysql.createConnection({ host: '127.0.0.1', port, connectTimeout: 100 }),
    )
    expectFacts(error, 'ETIMEDOUT')
  })

  it('PROTOCOL_CONNECTION_LOST and ECONNRESET: the server is gone', async () => {
    const gone = await startMariadb()
    onTestFinished(() => gone.stop())
    const connection = await consoleAt(await gone.createDatabase('gone'))
    const running = errorOf(() => connection.query('SELECT SLEEP(100)'))
    await gone.kill()
    const error = await running
    const { code } = failureOf(error, 'work')
    expect(['PROTOCOL_CONNECTION_LOST', 'ECONNRESET']).toContain(code)
    expectFacts(error, code)
    const closing = createServer((socket) => socket.destroy())
    const port = await portOf(closing)
    const refused = await errorOf(() => mysql.createConnection({ host: '127.0.0.1', port }))
    expectFacts(refused, failureOf(refused, 'work').code)
  })

  it.each(['ECONNRESET', 'EPIPE', 'PROTOCOL_CONNECTION_LOST'])('%s, by its name', (code) => {
    expectFacts(Object.assign(new Error('broken'), { code, errno: -104, fatal: true }), code)
  })

  it('whatever else it is, nothing is concluded from it', () => {
    for (const error of [new Error('x'), 'x', undefined]) {
      expect(failureOf(error, 'end')).toMatchObject({ effect: 'unknown', connectionLost: true })
      expect(failureOf(error, 'end')).toBeInstanceOf(DatabaseFailure)
    }
  })

  async function portOf(listener: Server, { listening = true } = {}): Promise<number> {
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    const address = listener.address()
    if (listening) onTestFinished(() => void listener.close())
    else await new Promise((resolve) => listener.close(resolve))
    if (address === null || typeof address === 'string') throw new Error('it listens on a port')
    return address.port
  }
})
