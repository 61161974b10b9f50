/** A private MariaDB. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import mysql from 'mysql2/promise'
import { PledgedError } from '../../base/errors.ts'
import { give, unprivilegedAccount } from './account.ts'
import { findMariadb } from './binaries.ts'
import { type Place, type ServerKind, startPrivateServer } from './private-server.ts'
import type { DatabaseServer, ServerOptions, ServerSettings } from './server.ts'

const ADMIN = 'pledged_admin'

const SETTINGS: ServerSettings = {
  innodb_flush_log_at_trx_commit: '1',
  innodb_buffer_pool_size: '32M',
  innodb_log_file_size: '16M',
  // The kernel limits what all servers of a machine may have under way together.
  innodb_use_native_aio: '0',
  max_connections: '200',
  skip_name_resolve: '1',
  skip_log_bin: '1',
}

const SOCKET_FOLDER_MAX = 80

export function startMariadb(options: ServerOptions = {}): Promise<DatabaseServer> {
  const { mariadbd, share } = findMariadb()
  return startPrivateServer(kindOf(mariadbd, share), options)
}

function kindOf(mariadbd: string, share: string): ServerKind {
  return {
    kind: 'mariadb',
    account: unprivilegedAccount(['mysql', 'nobody']),
    initialise: (place) => initialise(mariadbd, share, place),
    command: (place, settings) => {
      writeConfiguration(place, settings)
      return { file: mariadbd, args: [defaultsFile(place)] }
    },
    orderly: 'SIGTERM',
    adminUrl: ({ port, password }) => urlOf(ADMIN, password, port, 'mysql'),
    probe: (adminUrl) => run(adminUrl, ['SELECT 1']),
    createDatabase: createMariadbDatabase,
    passing: /Unable to lock|Can't lock aria control file/,
    cleanUp: () => {},
  }
}

/** Must be the first argument, else the machine's own configuration is read as well. */
function defaultsFile({ directory }: Place): string {
  return `--defaults-file=${join(directory, 'server.cnf')}`
}

function writeConfiguration(place: Place, settings: ServerSettings): void {
  const { directory, data, port, account } = place
  const socketFolder = directory.length <= SOCKET_FOLDER_MAX ? directory : '/tmp'
  const own: ServerSettings = {
    datadir: data,
    // In a folder that is shared, another server that starts takes this one's temporary tables for left-overs.
    tmpdir: directory,
    bind_address: '127.0.0.1',
    port: String(port),
    socket: join(socketFolder, `mariadb-${port}.sock`),
    pid_file: join(directory, 'mariadb.pid'),
  }
  const lines = Object.entries({ ...SETTINGS, ...settings, ...own }).map(
    ([name, value]) => `${name}=${value}`,
  )
  const file = join(directory, 'server.cnf')
  writeFileSync(file, `[mariadbd]\n${lines.join('\n')}\n`, { mode: 0o600 })
  give(file, account)
}

/**
 * By the server's own bootstrap, as mariadb-install-db does it: that script needs a program of the client package
 * (my_print_defaults), this needs the server's package alone. One statement a line is what bootstrap reads.
 */
function initialise(mariadbd: string, share: string, place: Place): void {
  mkdirSync(place.data)
  give(place.data, place.account)
  writeConfiguration(place, {})
  const tables = ['mysql_system_tables.sql', 'mysql_performance_tables.sql', 'mysql_system_tables_data.sql']
  const input = [
    'CREATE DATABASE mysql;',
    'USE mysql;',
    'SET @auth_root_socket=NULL;',
    ...tables.map((file) => readFileSync(join(share, file), 'utf8')),
    // The accounts made by these scripts have no password.
    "DELETE FROM mysql.global_priv WHERE User = 'root';",
    'FLUSH PRIVILEGES;',
    `CREATE USER ${ADMIN}@'%' IDENTIFIED BY '${place.password}';`,
    `GRANT ALL PRIVILEGES ON *.* TO ${ADMIN}@'%' WITH GRANT OPTION;`,
    '',
  ].join('\n')
  const { status, stderr, error } = spawnSync(
    mariadbd,
    [defaultsFile(place), '--bootstrap', '--enforce-storage-engine='],
    { input, encoding: 'utf8', cwd: place.directory, ...place.account },
  )
  if (status !== 0) {
    const words = error?.message ?? stderr.trim()
    throw new PledgedError('CONFIGURATION', `mariadbd --bootstrap failed in ${place.directory}: ${words}`)
  }
}

/** The user may do everything in the database, and nothing elsewhere. */
export async function createMariadbDatabase(adminUrl: string, name: string): Promise<string> {
  const password = randomBytes(12).toString('hex')
  await run(adminUrl, [
    `CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4`,
    `CREATE USER '${name}'@'%' IDENTIFIED BY '${password}'`,
    `GRANT ALL PRIVILEGES ON \`${name}\`.* TO '${name}'@'%'`,
  ])
  return urlOf(name, password, Number(new URL(adminUrl).port), name)
}

async function run(url: string, statements: readonly string[]): Promise<void> {
  const connection = await mysql.createConnection({ uri: url, connectTimeout: 5_000 })
  try {
    for (const statement of statements) await connection.query(statement)
    await connection.end()
  } finally {
    connection.destroy()
  }
}

function urlOf(user: string, password: string, port: number, database: string): string {
  return `mysql://${user}:${password}@127.0.0.1:${port}/${database}`
}
