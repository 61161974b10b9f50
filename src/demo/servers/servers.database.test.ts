/** Private servers: started, killed, started again; and what is left when their owner dies. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { findMariadb, findPostgres } from './binaries.ts'
import { type DatabaseServer, startMariadb, startPostgres } from './index.ts'

const KINDS = [
  { kind: 'postgres', start: startPostgres, prepare: preparePostgres, prepared: preparedPostgres },
  { kind: 'mariadb', start: startMariadb, prepare: prepareMariadb, prepared: preparedMariadb },
] as const

describe.each(KINDS)('a private $kind', ({ kind, start, prepare, prepared }) => {
  it('keeps what was prepared through kill -9, again and again, on the same port', async () => {
    const server = stopping(await start())
    const url = await server.createDatabase('ledger')
    for (let round = 1; round <= 3; round += 1) {
      await prepare(url, `round-${round}`)
      const { pid } = server
      await server.kill()
      expect(server.running).toBe(false)
      expect(isAlive(pid)).toBe(false)
      await server.start()
      expect(await prepared(url)).toHaveLength(round)
    }
  })

  it('takes settings, and others at the next start', async () => {
    const server = stopping(await start({ settings: { max_connections: '33' } }))
    expect(await maxConnections(server)).toBe('33')
    await server.halt()
    await server.start({ max_connections: '44' })
    expect(await maxConnections(server)).toBe('44')
  })

  it('leaves nothing behind', async () => {
    const server = await start()
    const { pid, directory } = server
    const memory = sharedMemoryOf(directory)
    expect(memory.map(isThere)).not.toContain(false)
    await server.kill()
    await server.stop()
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(directory)).toBe(false)
    expect(memory.map(isThere)).not.toContain(true)
  })

  it('ends with its owner, even by kill -9', async () => {
    const owner = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { ${kind === 'postgres' ? 'startPostgres' : 'startMariadb'} as start } from '${join(import.meta.dirname, 'index.ts')}'
         const { pid, directory } = await start()
         process.stdout.write(JSON.stringify({ pid, directory }))
         setInterval(() => {}, 1_000)`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const [told] = (await once(owner.stdout, 'data')) as [Buffer]
    const { pid, directory } = JSON.parse(told.toString()) as { pid: number; directory: string }
    expect(isAlive(pid)).toBe(true)
    owner.kill('SIGKILL')
    await expect.poll(() => isAlive(pid) || existsSync(directory), { timeout: 30_000 }).toBe(false)
  })
})

it('says what to install where there is no server', () => {
  expect(() => findPostgres(['/nonexistent'])).toThrow(/apt-get install postgresql/)
  expect(() => findMariadb(['/nonexistent'])).toThrow(/apt-get install mariadb-server-core/)
})

function stopping(server: DatabaseServer): DatabaseServer {
  onTestFinished(() => server.stop())
  return server
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** PostgreSQL's System V memory, by its id; MariaDB has none. */
function sharedMemoryOf(directory: string): string[] {
  const lockFile = join(directory, 'data', 'postmaster.pid')
  if (!existsSync(lockFile)) return []
  const [, id = ''] = (readFileSync(lockFile, 'utf8').split('\n')[6] ?? '').trim().split(/\s+/)
  return [id]
}

function isThere(memory: string): boolean {
  const ids = readFileSync('/proc/sysvipc/shm', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[1])
  return ids.includes(memory)
}

async function maxConnections(server: DatabaseServer): Promise<string> {
  const rows =
    server.kind === 'postgres'
      ? await postgresRows(server.url, 'SHOW max_connections')
      : await mariadbRows(server.url, 'SELECT @@max_connections')
  return String(Object.values(rows[0] ?? {})[0])
}

async function preparePostgres(url: string, name: string): Promise<void> {
  await postgresRows(url, `BEGIN; SELECT 1; PREPARE TRANSACTION '${name}'`)
}

function preparedPostgres(url: string): Promise<object[]> {
  return postgresRows(url, 'SELECT gid FROM pg_prepared_xacts')
}

async function postgresRows(url: string, sql: string): Promise<object[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}

async function prepareMariadb(url: string, name: string): Promise<void> {
  const connection = await mysql.createConnection(url)
  await connection.query('CREATE TABLE IF NOT EXISTS t (name VARCHAR(20)) ENGINE=InnoDB')
  await connection.query(`XA START '${name}'`)
  await connection.query(`INSERT INTO t VALUES ('${name}')`)
  await connection.query(`XA END '${name}'`)
  await connection.query(`XA PREPARE '${name}'`)
  await connection.end()
}

async function preparedMariadb(url: string): Promise<object[]> {
  return mariadbRows(url, 'XA RECOVER')
}

async function mariadbRows(url: string, sql: string): Promise<object[]> {
  const connection = await mysql.createConnection(url)
  try {
    const [rows] = await connection.query(sql)
    return rows as object[]
  } finally {
    await connection.end()
  }
}
