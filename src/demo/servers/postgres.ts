/** A private PostgreSQL. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { PledgedError } from '../../base/errors.ts'
import { give, unprivilegedAccount } from './account.ts'
import { findPostgres } from './binaries.ts'
import { type Place, type ServerKind, startPrivateServer } from './private-server.ts'
import type { DatabaseServer, ServerOptions, ServerSettings } from './server.ts'

const ADMIN = 'postgres'

const SETTINGS: ServerSettings = {
  max_prepared_transactions: '200',
  max_connections: '200',
  shared_buffers: '16MB',
  // Files in the data directory: nothing is left in /dev/shm after kill -9.
  dynamic_shared_memory_type: 'mmap',
}

/** Longer paths of a socket are refused by the kernel (107 bytes), and the server with them. */
const SOCKET_FOLDER_MAX = 80

export function startPostgres(options: ServerOptions = {}): Promise<DatabaseServer> {
  const { postgres, initdb } = findPostgres()
  return startPrivateServer(kindOf(postgres, initdb), options)
}

function kindOf(postgres: string, initdb: string): ServerKind {
  return {
    kind: 'postgres',
    account: unprivilegedAccount(['postgres', 'nobody']),
    initialise: (place) => initialise(initdb, place),
    command: (place, settings) => ({ file: postgres, args: argumentsOf(place, settings) }),
    // A fast shutdown: it ends the connections, and doesn't wait for them.
    orderly: 'SIGINT',
    adminUrl: ({ port, password }) => urlOf(ADMIN, password, port, ADMIN),
    probe: (adminUrl) => run(adminUrl, ['SELECT 1']),
    createDatabase: createPostgresDatabase,
    // The postmaster's children outlive it for a moment, attached to its memory.
    passing: /pre-existing shared memory block|lock file ".*" already exists/,
    cleanUp,
  }
}

function initialise(initdb: string, { directory, data, password, account }: Place): void {
  const passwordFile = join(directory, 'password')
  writeFileSync(passwordFile, password, { mode: 0o600 })
  give(passwordFile, account)
  const common = ['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', '--no-sync', '--no-instructions']
  const { status, stderr, error } = spawnSync(
    initdb,
    ['-D', data, `--username=${ADMIN}`, `--pwfile=${passwordFile}`, ...common],
    { encoding: 'utf8', cwd: directory, ...account },
  )
  rmSync(passwordFile)
  if (status !== 0) {
    throw new PledgedError(
      'CONFIGURATION',
      `initdb failed in ${directory}: ${error?.message ?? stderr.trim()}`,
    )
  }
}

function argumentsOf({ directory, data, port }: Place, settings: ServerSettings): string[] {
  const own: ServerSettings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: directory.length <= SOCKET_FOLDER_MAX ? directory : '',
  }
  const all = Object.entries({ ...SETTINGS, ...settings, ...own })
  return ['-D', data, ...all.flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

/** The user owns the database, and nothing else: it may make the participant's tables and its own. */
export async function createPostgresDatabase(adminUrl: string, name: string): Promise<string> {
  const password = randomBytes(12).toString('hex')
  await run(adminUrl, [
    `CREATE ROLE "${name}" LOGIN PASSWORD '${password}'`,
    `CREATE DATABASE "${name}" OWNER "${name}"`,
  ])
  return urlOf(name, password, Number(new URL(adminUrl).port), name)
}

async function run(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  // A server that dies under an idle client is no news here: the next statement says so.
  client.on('error', () => {})
  try {
    await client.connect()
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

function urlOf(user: string, password: string, port: number, database: string): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/${database}`
}

/** A postmaster that was killed leaves a few bytes of System V memory, whose id stands in its lock file. */
function cleanUp({ data }: Place): void {
  let lines: string[]
  try {
    lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
  } catch {
    return
  }
  const memory = lines[6]?.trim().split(/\s+/)[1]
  if (memory !== undefined) spawnSync('ipcrm', ['-m', memory], { stdio: 'ignore' })
}
