/** Each row of the table of errors, met on a real server. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DatabaseServer, startPostgres } from '../../src/demo/servers/index.ts'
import type { Effect } from '../shared/servers/database-failure.ts'
import { consoleAt, psql } from '../testing/servers/postgres.ts'
import { failureOf, kindOf, type Phase, POSTGRES_ERRORS } from './errors.ts'

let server: DatabaseServer
let url: string

beforeAll(async () => {
  server = await startPostgres({
    // Nobody stands by: a session at synchronous_commit = on waits for ever when it has made its transaction durable.
    settings: {
      max_prepared_transactions: '2',
      synchronous_standby_names: 'nobody',
      synchronous_commit: 'local',
    },
  })
  url = await server.createDatabase('errors')
  await psql(
    url,
    'CREATE TABLE numbers (n int PRIMARY KEY CHECK (n < 1000), of int REFERENCES numbers, name text NOT NULL DEFAULT $$x$$)',
    'INSERT INTO numbers VALUES (1), (2)',
    'CREATE VIEW small AS SELECT * FROM numbers WHERE n < 10 WITH CHECK OPTION',
    'CREATE TABLE spans (span int4range, EXCLUDE USING gist (span WITH &&))',
    'INSERT INTO spans VALUES ($$[1,5)$$)',
    'CREATE SEQUENCE drawn',
    'CREATE PROCEDURE ending() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$',
    `CREATE FUNCTION raising(code text) RETURNS void LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'as an extension would' USING ERRCODE = code; END $$`,
  )
})

afterAll(() => server.stop())

interface Case {
  /** The row that it is of, where that isn't the code's own. */
  readonly row?: string
  readonly code: string
  readonly phase: Phase
  readonly effect?: Effect
  /** Where it differs from the row. */
  readonly lost?: boolean
  /** Rejects with the error. */
  readonly meet: () => Promise<unknown>
}

const own = (): Promise<pg.Client> => consoleAt(url)
const admin = (): Promise<pg.Client> => consoleAt(at({ pathname: '/errors' }, server.url))

/** In a transaction where the first isn't a statement that can't be in one. */
async function inOrder(client: pg.Client, ...statements: readonly string[]): Promise<unknown> {
  let result: unknown
  for (const statement of statements) result = await client.query(statement)
  return result
}

const raised = (code: string) => async () => (await own()).query('SELECT raising($1)', [code])
const work =
  (...statements: readonly string[]) =>
  async () =>
    inOrder(await own(), 'BEGIN', ...statements)
const alone =
  (...statements: readonly string[]) =>
  async () =>
    inOrder(await own(), ...statements)
const gid = (): string => `test/${randomBytes(8).toString('hex')}`

function at(parts: Partial<Pick<URL, 'port' | 'username' | 'password' | 'pathname'>>, base = url): string {
  return Object.assign(new URL(base), parts).href
}

async function connect(to: string): Promise<void> {
  const client = new pg.Client({ connectionString: to })
  client.on('error', () => {})
  await client.connect()
  await client.end()
}

/** The server's process of a session, once it stands as expected. */
async function processOf(condition: string): Promise<number> {
  const find = async (): Promise<unknown> =>
    (
      await psql(
        server.url,
        `SELECT pid FROM pg_stat_activity WHERE ${condition} AND pid <> pg_backend_pid() LIMIT 1`,
      )
    )[0]?.['pid']
  await expect.poll(find, { timeout: 30_000 }).toBeTypeOf('number')
  return Number(await find())
}

const waitsForStandby = (text: string): string => `wait_event = 'SyncRep' AND query LIKE '${text}%'`
const terminate = async (condition: string): Promise<void> => {
  await psql(server.url, `SELECT pg_terminate_backend(${await processOf(condition)})`)
}

/** The other of two transactions that wait for each other, or only saw what the other changed. */
async function crossing(
  isolation: string,
  first: readonly string[],
  second: readonly string[],
): Promise<unknown> {
  const [left, right] = [await own(), await own()]
  await Promise.all([left, right].map((client) => client.query(`BEGIN ISOLATION LEVEL ${isolation}`)))
  await inOrder(left, ...first)
  await inOrder(right, ...second.slice(0, -1))
  const last = [
    right.query(second.at(-1) ?? ''),
    left.query(isolation === 'SERIALIZABLE' ? 'COMMIT' : (second[0] ?? '')),
  ]
  const [met] = (await Promise.allSettled(last)).flatMap((end) =>
    end.status === 'rejected' ? [end.reason as unknown] : [],
  )
  throw met
}

/** The client sends its statement before it has read that the server has ended the session. */
async function sentTooLate(client: pg.Client): Promise<unknown> {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
  return client.query('SELECT 1')
}

const CONNECTING: readonly Case[] = [
  { code: '08001', phase: 'connect', meet: () => connect(at({ port: '1' })) },
  { code: '28P01', phase: 'connect', meet: () => connect(at({ password: 'wrong' })) },
  {
    code: '28000',
    phase: 'connect',
    meet: async () => {
      await psql(server.url, "CREATE ROLE mute NOLOGIN PASSWORD 'x'")
      await connect(at({ username: 'mute', password: 'x' }))
    },
  },
  { code: '3D000', phase: 'connect', meet: () => connect(at({ pathname: '/nowhere' })) },
  {
    code: '53300',
    phase: 'connect',
    meet: async () => {
      await psql(server.url, "CREATE ROLE crowded LOGIN CONNECTION LIMIT 0 PASSWORD 'x'")
      await connect(at({ username: 'crowded', password: 'x' }))
    },
  },
]

const WORKING: readonly Case[] = [
  {
    code: '0A000',
    phase: 'prepare',
    meet: work('CREATE TEMP TABLE t (n int)', `PREPARE TRANSACTION '${gid()}'`),
  },
  { code: '0A000', phase: 'prepare', meet: work('NOTIFY bell', `PREPARE TRANSACTION '${gid()}'`) },
  { row: '21', code: '21000', phase: 'work', meet: work('SELECT (SELECT generate_series(1, 2))') },
  { row: '22', code: '22012', phase: 'work', meet: work('SELECT 1 / 0') },
  { row: '23', code: '23505', phase: 'work', meet: work('INSERT INTO numbers VALUES (1)') },
  { row: '23', code: '23503', phase: 'work', meet: work('INSERT INTO numbers VALUES (3, 999)') },
  { row: '23', code: '23502', phase: 'work', meet: work('INSERT INTO numbers VALUES (3, NULL, NULL)') },
  { row: '23', code: '23514', phase: 'work', meet: work('INSERT INTO numbers VALUES (1000)') },
  { row: '23', code: '23P01', phase: 'work', meet: work("INSERT INTO spans VALUES ('[4,6)')") },
  {
    row: '23',
    code: '23503',
    phase: 'prepare',
    meet: work(
      'CREATE TABLE late (n int REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)',
      'INSERT INTO late VALUES (999)',
      `PREPARE TRANSACTION '${gid()}'`,
    ),
  },
  { code: '25001', phase: 'end', meet: work(`COMMIT PREPARED '${gid()}'`) },
  { code: '25006', phase: 'work', meet: work('SET TRANSACTION READ ONLY', 'INSERT INTO numbers VALUES (3)') },
  {
    code: '25P02',
    phase: 'work',
    meet: async () => {
      const client = await own()
      await inOrder(client, 'BEGIN', 'SELECT 1 / 0').catch(() => {})
      return client.query('SELECT 1')
    },
  },
  { row: '25', code: '25P01', phase: 'work', meet: alone('SAVEPOINT here') },
  { code: '2D000', phase: 'work', meet: work('CALL ending()') },
  { code: '3F000', phase: 'work', meet: work('CREATE TABLE nowhere.t (n int)') },
  {
    code: '40001',
    phase: 'work',
    meet: () =>
      crossing(
        'SERIALIZABLE',
        ['SELECT sum(n) FROM numbers', 'INSERT INTO numbers VALUES (50)'],
        ['SELECT sum(n) FROM numbers', 'INSERT INTO numbers VALUES (51)', 'COMMIT'],
      ),
  },
  {
    code: '40P01',
    phase: 'work',
    meet: () =>
      crossing(
        'READ COMMITTED',
        ["UPDATE numbers SET name = 'l' WHERE n = 1"],
        ["UPDATE numbers SET name = 'r' WHERE n = 2", "UPDATE numbers SET name = 'r' WHERE n = 1"],
      ),
  },
  { row: '40', code: '40002', phase: 'work', meet: raised('40002') },
  { code: '40003', phase: 'work', meet: raised('40003') },
  { code: '42501', phase: 'work', meet: alone('SELECT * FROM pg_authid') },
  { row: '42', code: '42601', phase: 'work', meet: work('SELEKT 1') },
  { row: '42', code: '42P01', phase: 'work', meet: work('SELECT * FROM nothing') },
  { row: '44', code: '44000', phase: 'work', meet: work('INSERT INTO small VALUES (11)') },
  { code: '53100', phase: 'work', meet: raised('53100') },
  { row: '53', code: '53400', phase: 'work', meet: raised('53400') },
  {
    row: '54',
    code: '54011',
    phase: 'work',
    meet: work(`SELECT ${Array.from({ length: 1_665 }, (_, index) => index).join(', ')}`),
  },
  { code: '55000', phase: 'work', meet: alone("SELECT currval('drawn')") },
  {
    code: '55006',
    phase: 'work',
    meet: work(
      'DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM numbers LOOP ALTER TABLE numbers ADD extra int; END LOOP; END $$',
    ),
  },
  { row: '55', code: '55P02', phase: 'work', meet: alone('SET shared_buffers = 1') },
  {
    code: '55P03',
    phase: 'work',
    meet: async () => {
      await inOrder(await own(), 'BEGIN', 'UPDATE numbers SET n = n WHERE n = 1')
      return inOrder(await own(), "SET lock_timeout = '20ms'", 'UPDATE numbers SET n = n WHERE n = 1')
    },
  },
  { code: '57014', phase: 'work', meet: alone("SET statement_timeout = '20ms'", 'SELECT pg_sleep(60)') },
  {
    row: '58',
    code: '58P01',
    phase: 'work',
    meet: async () => (await admin()).query("SELECT pg_read_file('nothing')"),
  },
  { row: 'P0', code: 'P0001', phase: 'work', meet: raised('P0001') },
  { row: 'XX', code: 'XX000', phase: 'work', meet: raised('XX000') },
  { row: 'ZZ', code: 'ZZ999', phase: 'work', meet: raised('ZZ999') },
]

const BREAKING: readonly Case[] = [
  { row: '08', code: '08P01', phase: 'work', meet: raised('08P01') },
  {
    code: '08006',
    phase: 'work',
    meet: async () => {
      const client = await own()
      const asleep = client.query('SELECT pg_sleep(60)')
      await processOf("query LIKE 'SELECT pg_sleep(60)%'")
      client.connection.stream.destroy()
      try {
        return await asleep
      } finally {
        await terminate("query LIKE 'SELECT pg_sleep(60)%'")
      }
    },
  },
  {
    code: '25P03',
    phase: 'work',
    meet: async () => {
      const client = await own()
      await inOrder(client, "SET idle_in_transaction_session_timeout = '10ms'", 'BEGIN')
      return sentTooLate(client)
    },
  },
  { code: '25P04', phase: 'prepare', effect: 'unknown', meet: raised('25P04') },
  {
    code: '57P05',
    phase: 'look',
    meet: async () => {
      const client = await own()
      await client.query("SET idle_session_timeout = '10ms'")
      return sentTooLate(client)
    },
  },
  { row: '57', code: '57000', phase: 'prepare', effect: 'unknown', meet: raised('57000') },
  {
    code: '57P01',
    phase: 'work',
    meet: async () => {
      const asleep = (await own()).query('SELECT pg_sleep(61)')
      await Promise.all([asleep, terminate("query LIKE 'SELECT pg_sleep(61)%'")])
    },
  },
]

describe('what the row says of its error', () => {
  it.each([...CONNECTING, ...WORKING, ...BREAKING])(
    '$code in $phase',
    async ({ row, code, phase, effect, lost, meet }) => {
      const failure = failureOf(
        await meet().then(
          () => undefined,
          (error: unknown) => error,
        ),
        phase,
      )
      expect(failure).toMatchObject({ name: 'DatabaseFailure', code })
      const kind = row === undefined ? POSTGRES_ERRORS[code] : (POSTGRES_ERRORS[row] ?? kindOf('??'))
      expect(failure.effect).toBe(effect ?? kind?.effect[phase])
      expect(failure.retryable).toBe(kind?.retryable)
      expect(failure.connectionLost).toBe(lost ?? kind?.connectionLost)
      expect(failure.message).toContain(`SQLSTATE ${code}`)
    },
  )
})

describe('whether it is true, of what prepares and ends', () => {
  const prepared = async (name: string): Promise<boolean> =>
    (await psql(url, `SELECT FROM pg_prepared_xacts WHERE gid = '${name}'`)).length === 1
  const wrote = async (n: number): Promise<boolean> =>
    (await psql(url, `SELECT FROM numbers WHERE n = ${n}`)).length === 1
  const failed = async (phase: Phase, met: Promise<unknown>) =>
    failureOf(
      await met.then(
        () => undefined,
        (error: unknown) => error,
      ),
      phase,
    )
  const prepare = async (name: string, n: number): Promise<void> => {
    await inOrder(await own(), 'BEGIN', `INSERT INTO numbers VALUES (${n})`, `PREPARE TRANSACTION '${name}'`)
  }

  it('42704: not done, there is no such', async () => {
    expect(await failed('end', alone(`COMMIT PREPARED '${gid()}'`)())).toMatchObject({
      code: '42704',
      effect: 'not_done',
    })
  })

  it('42710: not done, and the branch that has the name is as it was', async () => {
    const name = gid()
    await prepare(name, 100)
    const again = work('INSERT INTO numbers VALUES (101)', `PREPARE TRANSACTION '${name}'`)
    expect(await failed('prepare', again())).toMatchObject({ code: '42710', effect: 'not_done' })
    await alone(`COMMIT PREPARED '${name}'`)()
    expect([await wrote(100), await wrote(101)]).toEqual([true, false])
  })

  it('53200: not done, no room for another', async () => {
    const names = [gid(), gid()]
    await prepare(names[0] ?? '', 110)
    await prepare(names[1] ?? '', 111)
    const one = gid()
    const more = work('INSERT INTO numbers VALUES (112)', `PREPARE TRANSACTION '${one}'`)
    expect(await failed('prepare', more())).toMatchObject({
      code: '53200',
      effect: 'not_done',
      retryable: true,
    })
    expect(await prepared(one)).toBe(false)
    for (const name of names) await alone(`ROLLBACK PREPARED '${name}'`)()
  })

  it('42501: not done, another role prepared it', async () => {
    const name = gid()
    await inOrder(await admin(), 'BEGIN', 'INSERT INTO numbers VALUES (120)', `PREPARE TRANSACTION '${name}'`)
    expect(await failed('end', alone(`COMMIT PREPARED '${name}'`)())).toMatchObject({
      code: '42501',
      effect: 'not_done',
    })
    expect(await prepared(name)).toBe(true)
    await inOrder(await admin(), `ROLLBACK PREPARED '${name}'`)
  })

  it('57P01 while it commits: unknown, and 55000 meanwhile: not done', async () => {
    const name = gid()
    await prepare(name, 130)
    const committing = failed('end', alone('SET synchronous_commit = on', `COMMIT PREPARED '${name}'`)())
    await processOf(waitsForStandby('COMMIT PREPARED'))
    expect(await failed('end', alone(`ROLLBACK PREPARED '${name}'`)())).toMatchObject({
      code: '55000',
      effect: 'not_done',
      retryable: true,
    })
    await terminate(waitsForStandby('COMMIT PREPARED'))
    // PostgreSQL gives a session that has committed already no answer but the end of its connection.
    expect(await committing).toMatchObject({ effect: 'unknown', connectionLost: true })
    await expect.poll(() => wrote(130)).toBe(true)
    expect(await prepared(name)).toBe(false)
  })

  it('57P01 while it prepares: unknown, and it is prepared', async () => {
    const name = gid()
    const preparing = failed(
      'prepare',
      work(
        'SET LOCAL synchronous_commit = on',
        'INSERT INTO numbers VALUES (140)',
        `PREPARE TRANSACTION '${name}'`,
      )(),
    )
    await terminate(waitsForStandby('PREPARE TRANSACTION'))
    expect(await preparing).toMatchObject({ effect: 'unknown', connectionLost: true })
    expect(await prepared(name)).toBe(true)
    await expect
      .poll(() =>
        alone(`ROLLBACK PREPARED '${name}'`)().then(
          () => 'done',
          () => 'busy',
        ),
      )
      .toBe('done')
  })

  it('a backend killed with -9, and with it every session: unknown', async () => {
    const name = gid()
    const preparing = failed(
      'prepare',
      work(
        'SET LOCAL synchronous_commit = on',
        'INSERT INTO numbers VALUES (150)',
        `PREPARE TRANSACTION '${name}'`,
      )(),
    )
    const bystander = await own()
    const looking = failed('look', bystander.query('SELECT pg_sleep(62)'))
    await processOf("query LIKE 'SELECT pg_sleep(62)%'")
    process.kill(await processOf(waitsForStandby('PREPARE TRANSACTION')), 'SIGKILL')
    expect(await preparing).toMatchObject({ effect: 'unknown', connectionLost: true })
    expect(await looking).toMatchObject({ effect: 'not_done', connectionLost: true })
    await expect.poll(() => prepared(name).catch(() => undefined), { timeout: 30_000 }).toBe(true)
    await alone(`ROLLBACK PREPARED '${name}'`)()
  })

  it('57P03: not done, the server shuts down and lets nobody in', async () => {
    const session = await own()
    process.kill(server.pid, 'SIGTERM')
    const meet = async (): Promise<string> => (await failed('connect', connect(url))).code
    await expect.poll(meet).toBe('57P03')
    expect(await failed('connect', connect(url))).toMatchObject({
      effect: 'not_done',
      retryable: true,
      connectionLost: true,
    })
    await session.end()
    await expect.poll(() => server.running, { timeout: 30_000 }).toBe(false)
    await server.start()
  })
})

describe('the table', () => {
  it('has no row that was not met', () => {
    const met = new Set([...CONNECTING, ...WORKING, ...BREAKING].map(({ row, code }) => row ?? code))
    for (const code of ['42704', '42710', '53200', '57P03']) met.add(code)
    expect(Object.keys(POSTGRES_ERRORS).filter((row) => !met.has(row))).toEqual([])
  })
})
