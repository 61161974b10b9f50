/** Where Debian and others keep the servers' programs. */
import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { PledgedError } from '../../base/errors.ts'

const POSTGRES_VERSIONS = '/usr/lib/postgresql'
/** Not on the PATH of an ordinary user. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/usr/bin', '/usr/libexec']

/** Both programs from one folder: an initdb of another version makes data that postgres refuses. */
export function findPostgres(folders = [...newestFirst(POSTGRES_VERSIONS), ...pathFolders()]): {
  readonly postgres: string
  readonly initdb: string
} {
  for (const folder of folders) {
    const found = { postgres: join(folder, 'postgres'), initdb: join(folder, 'initdb') }
    if (isProgram(found.postgres) && isProgram(found.initdb)) return found
  }
  throw missing(
    'PostgreSQL',
    `postgres and initdb are neither on the PATH nor in ${POSTGRES_VERSIONS}`,
    'postgresql',
  )
}

export function findMariadb(folders = pathFolders()): {
  readonly mariadbd: string
  readonly share: string
} {
  const mariadbd = folders.map((folder) => join(folder, 'mariadbd')).find(isProgram)
  const share = ['/usr/share/mariadb', '/usr/share/mysql', '/usr/local/share/mariadb'].find((folder) =>
    isFile(join(folder, 'mysql_system_tables.sql')),
  )
  if (mariadbd === undefined || share === undefined) {
    const what = mariadbd === undefined ? 'mariadbd' : 'mysql_system_tables.sql, which belongs to mariadbd,'
    throw missing('MariaDB', `${what} is not where it is looked for`, 'mariadb-server-core')
  }
  return { mariadbd, share }
}

function missing(product: string, what: string, debianPackage: string): PledgedError {
  return new PledgedError(
    'CONFIGURATION',
    `${product}'s server is not installed: ${what}. Install it: apt-get install ${debianPackage} (Debian, Ubuntu).`,
  )
}

function newestFirst(versions: string): string[] {
  try {
    return readdirSync(versions)
      .toSorted((one, other) => Number(other) - Number(one))
      .map((version) => join(versions, version, 'bin'))
  } catch {
    return []
  }
}

function pathFolders(): string[] {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  return [...new Set([...path, ...SYSTEM_FOLDERS])]
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return isFile(file)
  } catch {
    return false
  }
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() ?? false
}
