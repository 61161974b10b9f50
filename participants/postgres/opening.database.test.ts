/** What a server must be set to, and how the way to it is secured: each refusal with the sentence that mends it. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { type DatabaseServer, startPostgres } from '../../src/demo/servers/index.ts'
import { PledgedError } from '../../src/sdk/participant/index.ts'
import { freshLog } from '../testing/servers/fresh-log.ts'
import { asAdmin, openLedger, prepareSql, psql } from '../testing/servers/postgres.ts'

let server: DatabaseServer
let databases = 0
const database = async (): Promise<string> => {
  databases += 1
  return server.createDatabase(`opening${databases}`)
}

beforeAll(async () => {
  server = await startPostgres({ settings: { max_prepared_transactions: '4' } })
})

afterAll(() => server.stop())

/** How it is refused; never with the password in it. */
async function refusalOf(url: string): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await openLedger(url).describe()
  } catch (error) {
    if (!(error instanceof PledgedError)) throw error
    const { password } = new URL(url)
    expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`).not.toContain(password)
    return { code: error.code, message: error.message }
  }
  return { code: '', message: 'it opened' }
}

const altered = (
  url: string,
  part: Partial<Pick<URL, 'port' | 'username' | 'password' | 'pathname' | 'search'>>,
): string => Object.assign(new URL(url), part).href

describe('the settings (R16)', () => {
  it.each([
    ['fsync', 'off', 'set fsync = on'],
    ['max_prepared_transactions', '0', 'set it to the number of branches'],
    ['default_transaction_read_only', 'on', 'SET default_transaction_read_only = off'],
  ])('%s = %s', async (name, value, advice) => {
    const url = await database()
    await server.halt()
    await server.start({ [name]: value })
    const refusal = await refusalOf(url)
    await server.halt()
    await server.start()
    expect(refusal).toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringContaining(advice) as string,
    })
    expect(await refusalOf(url)).toMatchObject({ message: 'it opened' })
  })

  it('a replica; and what was prepared there is neither ended nor looked for meanwhile', async () => {
    const url = await database()
    const { xid } = freshLog()
    const participant = openLedger(url)
    await participant.describe()
    await psql(url, 'CREATE TABLE t (n int)')
    await prepareSql(participant, xid(1), ['INSERT INTO t VALUES (1)'])
    const signal = join(dataDirectory(), 'standby.signal')
    await server.halt()
    writeFileSync(signal, '')
    await server.start()
    const refusal = await refusalOf(url)
    const committed = await participant.commit(xid(1))
    await expect(participant.evidence?.(xid(1))).rejects.toThrow('replica')
    await server.halt()
    rmSync(signal)
    await server.start()
    expect(refusal).toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringContaining('name the primary') as string,
    })
    expect(committed).toMatchObject({
      result: 'unknown',
      message: expect.stringContaining('replica') as string,
    })
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
  })
})

describe('who may come in, and what he may do', () => {
  it.each([
    [
      'wrong credentials',
      { password: 'wrong-secret' },
      'CONFIGURATION',
      'the password is wrong: mend the url',
    ],
    ['no such role', { username: 'nobody' }, 'CONFIGURATION', 'mend the url'],
    ['no such database', { pathname: '/nowhere' }, 'CONFIGURATION', 'there is no such database'],
    ['nobody listens there', { port: '1' }, 'UNAVAILABLE', 'see that it runs'],
  ])('%s', async (_name, part, code, advice) => {
    const url = altered(await database(), part)
    expect(await refusalOf(url)).toMatchObject({ code, message: expect.stringContaining(advice) as string })
  })

  it('a user who may make no tables is told what to run, and that is enough', async () => {
    const owned = await database()
    const { pathname } = new URL(owned)
    await psql(server.url, "CREATE ROLE clerk LOGIN PASSWORD 'clerk-secret'")
    const url = altered(owned, { username: 'clerk', password: 'clerk-secret', pathname })
    const { code, message } = await refusalOf(url)
    expect(code).toBe('CONFIGURATION')
    const statements = message.split('run: ')[1]?.split('; ') ?? []
    expect(statements).toHaveLength(4)
    await psql(owned, ...statements)
    expect(await refusalOf(url)).toMatchObject({ message: 'it opened' })
    await psql(owned, 'REVOKE DELETE ON pledged_witness FROM clerk')
    expect(await refusalOf(url)).toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringContaining('GRANT SELECT, INSERT, DELETE ON pledged_witness TO clerk') as string,
    })
  })

  it.each([
    ['not permanent', 'ALTER TABLE pledged_witness SET UNLOGGED'],
    ['can not be used', 'ALTER TABLE pledged_witness DROP CONSTRAINT pledged_witness_pkey'],
    ['can not be used', 'ALTER TABLE pledged_logs RENAME COLUMN epoch TO era'],
  ])('tables of ours that are %s', async (reason, change) => {
    const url = await database()
    expect(await refusalOf(url)).toMatchObject({ message: 'it opened' })
    await psql(url, change)
    expect(await refusalOf(url)).toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringContaining(reason) as string,
    })
  })

  it('many at once make the tables once', async () => {
    const url = await database()
    const described = await Promise.all(
      Array.from({ length: 8 }, () => openLedger(url, { poolSize: 4 }).describe()),
    )
    expect(new Set(described.map(({ resourceId }) => resourceId)).size).toBe(1)
  })
})

describe('another database behind a known address (R10)', () => {
  it('is described as another, and asked for nothing that concerns the first', async () => {
    const [url, other] = [await database(), await database()]
    const { xid } = freshLog()
    const participant = openLedger(url)
    const { resourceId } = await participant.describe()
    const [name = '', otherName = ''] = [url, other].map((text) => new URL(text).pathname.slice(1))
    await psql(asAdmin(server.url, other), `CREATE SCHEMA ${name} AUTHORIZATION ${name}`)
    await rename(name, 'aside')
    await rename(otherName, name)
    const message = expect.stringContaining('another database') as string
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'unknown', message })
    expect(await participant.abort(xid(1))).toMatchObject({ result: 'unknown', message })
    expect((await participant.describe()).resourceId).not.toBe(resourceId)
    await rename(name, otherName)
    await rename('aside', name)
    expect((await participant.describe()).resourceId).toBe(resourceId)
    expect(await participant.abort(xid(1))).toMatchObject({ result: 'done' })
  })
})

describe('another server behind a known address (R10)', () => {
  it('gets its own work, though connections to the first are still open', async () => {
    const url = await database()
    const { username: name, password, port } = new URL(url)
    const elsewhere = inject('postgresUrl')
    const suffix = randomBytes(4).toString('hex')
    const other = altered(elsewhere, { username: name, password, pathname: `/${name}${suffix}` })
    await psql(
      elsewhere,
      `CREATE ROLE ${name} LOGIN PASSWORD '${password}'`,
      `CREATE DATABASE ${name}${suffix} OWNER ${name}`,
    )
    await psql(server.url, `CREATE DATABASE ${name}${suffix} OWNER ${name}`)
    const here = altered(url, { pathname: `/${name}${suffix}` })
    for (const at of [here, other]) await psql(at, 'CREATE TABLE t (n int)')
    const forwarder = await forwarding(Number(port))
    const { xid } = freshLog()
    const participant = openLedger(altered(here, { port: String(forwarder.port) }))
    const { resourceId } = await participant.describe()
    await prepareSql(participant, xid(1), ['INSERT INTO t VALUES (1)'])
    forwarder.leadTo(Number(new URL(elsewhere).port))
    expect((await participant.describe()).resourceId).not.toBe(resourceId)
    expect(await prepareSql(participant, xid(2), ['INSERT INTO t VALUES (2)'])).toEqual({ vote: 'yes' })
    const heldAt = (at: string): Promise<readonly object[]> =>
      psql(at, 'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()')
    expect(await heldAt(other)).toEqual([{ gid: `pledged/${xid(2)}/ledger` }])
    expect(await heldAt(here)).toEqual([{ gid: `pledged/${xid(1)}/ledger` }])
    expect(await participant.abort(xid(2))).toMatchObject({ result: 'done' })
    forwarder.leadTo(Number(port))
    await participant.describe()
    expect(await participant.abort(xid(1))).toMatchObject({ result: 'done' })
  })
})

describe('room (max_prepared_transactions = 4)', () => {
  it('leaves a place free, lets a prepare wait for one, and says no where none becomes free', async () => {
    const url = await database()
    const { xid } = freshLog()
    const participant = openLedger(url)
    await participant.describe()
    await psql(url, 'CREATE TABLE t (n int)')
    const insert = ['INSERT INTO t VALUES (1)']
    for (const index of [1, 2, 3]) {
      expect(await prepareSql(participant, xid(index), insert)).toEqual({ vote: 'yes' })
    }
    expect(await prepareSql(participant, xid(4), insert, { timeoutMs: 50 })).toMatchObject({
      vote: 'no',
      retryable: true,
    })
    const waiting = prepareSql(participant, xid(5), insert)
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
    expect(await waiting).toEqual({ vote: 'yes' })
    // Ended by hand: the next scan finds the place.
    await psql(url, `ROLLBACK PREPARED 'pledged/${xid(5)}/ledger'`)
    await participant.listPrepared(10, '')
    expect(await prepareSql(participant, xid(6), insert)).toEqual({ vote: 'yes' })
    for (const index of [2, 3, 6]) await participant.abort(xid(index))
  })

  it('counts what others hold, and takes a refusal of the server for a no', async () => {
    const url = await database()
    const { xid } = freshLog()
    const participant = openLedger(url)
    await psql(url, 'CREATE TABLE t (n int)')
    await participant.describe()
    for (const name of ['a', 'b', 'c', 'd']) {
      await psql(url, 'BEGIN', 'INSERT INTO t VALUES (1)', `PREPARE TRANSACTION 'other/${name}'`)
    }
    expect(await prepareSql(participant, xid(1), ['INSERT INTO t VALUES (1)'])).toMatchObject({
      vote: 'no',
      retryable: true,
      message: expect.stringContaining('raise max_prepared_transactions') as string,
    })
    await participant.listPrepared(10, '')
    for (const name of ['a', 'b', 'c', 'd']) await psql(url, `ROLLBACK PREPARED 'other/${name}'`)
    expect(await prepareSql(participant, xid(2), ['INSERT INTO t VALUES (1)'])).toEqual({ vote: 'yes' })
    await participant.abort(xid(2))
  })
})

describe('kill -9 of the server (I4)', () => {
  it('finds what is prepared, ends it, and works on', async () => {
    const url = await database()
    const { xid } = freshLog()
    const participant = openLedger(url)
    await participant.describe()
    await psql(url, 'CREATE TABLE t (n int)')
    expect(await prepareSql(participant, xid(1), ['INSERT INTO t VALUES (1)'])).toEqual({ vote: 'yes' })
    await server.kill()
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'unknown' })
    expect(await prepareSql(participant, xid(2), ['SELECT 1'])).toMatchObject({ vote: 'no', retryable: true })
    await expect(participant.listPrepared(10, '')).rejects.toThrow('can not be reached')
    await server.start()
    expect((await participant.listPrepared(10, '')).branches.map((branch) => branch.xid)).toEqual([xid(1)])
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
    expect(await psql(url, 'SELECT n FROM t')).toEqual([{ n: 1 }])
    expect(await prepareSql(participant, xid(3), ['INSERT INTO t VALUES (2)'])).toEqual({ vote: 'yes' })
    await participant.abort(xid(3))
  })
})

describe('TLS', () => {
  it('is used, and checked, as sslmode says', async () => {
    const url = await database()
    const { directory } = server
    const certificate = (name: string, subject: string, names: string): string => {
      const file = join(directory, name)
      const args = [
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-subj',
        `/CN=${subject}`,
        '-addext',
        `subjectAltName=${names}`,
      ]
      execFileSync('openssl', ['req', ...args, '-keyout', `${file}.key`, '-out', `${file}.crt`], {
        stdio: 'ignore',
      })
      const { uid, gid } = statSync(dataDirectory())
      for (const part of ['key', 'crt']) chownSync(`${file}.${part}`, uid, gid)
      return file
    }
    const own = certificate('server', 'localhost', 'DNS:localhost,IP:127.0.0.1')
    const other = certificate('other', 'elsewhere.example', 'DNS:elsewhere.example')
    const user = certificate('user', new URL(url).username, 'DNS:user')
    const files = (name: string) => ({
      ssl_cert_file: `${name}.crt`,
      ssl_key_file: `${name}.key`,
      ssl_ca_file: `${user}.crt`,
    })
    const by = (search: string): Promise<{ code: string; message: string }> =>
      refusalOf(altered(url, { search }))
    const opens = { message: 'it opened' }
    const unreachable = { code: 'UNAVAILABLE' }

    expect(await by('?sslmode=require')).toMatchObject({
      message: expect.stringContaining('does not support SSL') as string,
    })
    await server.halt()
    await server.start({ ssl: 'on', ...files(own) })
    expect(await by('?sslmode=require')).toMatchObject(opens)
    const participant = openLedger(altered(url, { search: '?sslmode=require' }))
    await participant.describe()
    const secured = `SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'pledged ledger'
                     AND datname = '${new URL(url).pathname.slice(1)}'`
    expect(await psql(server.url, secured)).toEqual([{ ssl: true }])
    expect(await by('?sslmode=verify-full')).toMatchObject({
      ...unreachable,
      message: expect.stringMatching(/self[- ]signed/) as string,
    })
    expect(await by(`?sslmode=verify-full&sslrootcert=${own}.crt`)).toMatchObject(opens)
    expect(await by(`?sslmode=require&sslrootcert=${other}.crt`)).toMatchObject(unreachable)

    // Whoever comes must have a certificate of his own.
    const rules = join(dataDirectory(), 'pg_hba.conf')
    const before = readFileSync(rules, 'utf8')
    writeFileSync(rules, `hostssl all ${new URL(url).username} 127.0.0.1/32 cert\n${before}`)
    await psql(server.url, 'SELECT pg_reload_conf()')
    const identified = `?sslmode=verify-full&sslrootcert=${own}.crt&sslcert=${user}.crt&sslkey=${user}.key`
    await expect.poll(async () => (await by('?sslmode=require')).code).toBe('CONFIGURATION')
    expect(await by(identified)).toMatchObject(opens)
    writeFileSync(rules, before)

    await server.halt()
    await server.start({ ssl: 'on', ...files(other) })
    expect(await by(`?sslmode=verify-ca&sslrootcert=${other}.crt`)).toMatchObject(opens)
    expect(await by(`?sslmode=verify-full&sslrootcert=${other}.crt`)).toMatchObject({
      ...unreachable,
      message: expect.stringContaining('127.0.0.1') as string,
    })
    await server.halt()
    await server.start()
  })
})

function dataDirectory(): string {
  return execFileSync('readlink', ['-f', `/proc/${server.pid}/cwd`], { encoding: 'utf8' }).trim()
}

/** A port whose new connections lead where it is told, while those of before stay where they are. */
async function forwarding(first: number): Promise<{ readonly port: number; leadTo(port: number): void }> {
  let target = first
  const sockets = new Set<Socket>()
  const forwarder = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => to.destroy())
      from.pipe(to)
    }
  })
  await new Promise<void>((resolve) => forwarder.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    forwarder.close()
  })
  return {
    port: (forwarder.address() as AddressInfo).port,
    leadTo: (port) => {
      target = port
    },
  }
}

/** Once nobody is in it any more. */
async function rename(from: string, to: string): Promise<void> {
  const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${from}'`
  const attempt = (): Promise<boolean> =>
    psql(server.url, end, `ALTER DATABASE ${from} RENAME TO ${to}`).then(
      () => true,
      () => false,
    )
  await expect.poll(attempt, { timeout: 30_000 }).toBe(true)
}
