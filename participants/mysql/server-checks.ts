/**
 * What the server must be, and be set to, before anything is pledged there (R16): each mistake with the sentence that
 * mends it. MariaDB 10.11 was tried; what is said of MySQL is by its manual.
 */
import { PledgedError } from '../../src/sdk/participant/index.ts'
import { type Flavour, flavourOf } from './identity.ts'
import { type Session, type StatementOptions, textOf } from './session.ts'

export interface ServerFacts {
  readonly flavour: Flavour
  readonly version: string
  readonly database: string
  /** As GRANT names him. */
  readonly user: string
  /** MySQL's; MariaDB has none. */
  readonly serverUuid: string | undefined
}

/** Variables by name; one that the server doesn't have is missing. */
type Variables = ReadonlyMap<string, string>

const NAMES = [
  'innodb_flush_log_at_trx_commit',
  'innodb_flush_method',
  'innodb_support_xa',
  'innodb_force_recovery',
  'log_bin',
  'sync_binlog',
  'read_only',
  'super_read_only',
  'wsrep_on',
  'server_uuid',
] as const

/** Since these a prepared branch outlives its connection: MDEV-7974; MySQL's Bug #12161, mended in 5.7.7. */
const OLDEST = { mariadb: [10, 5, 2], mysql: [8, 0, 11] } as const

/** Throws CONFIGURATION with every mistake. */
export async function checkServer(session: Session, options: StatementOptions): Promise<ServerFacts> {
  const [row] = await session.rows(
    'SELECT VERSION() AS version, DATABASE() AS db, CURRENT_USER() AS user',
    [],
    options,
  )
  const version = textOf(row, 'version')
  const rows = await session.rows(
    `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${NAMES.map((name) => `'${name}'`).join(', ')})`,
    [],
    options,
  )
  const variables = new Map(
    rows.map((variable) => [textOf(variable, 'Variable_name'), textOf(variable, 'Value')]),
  )
  const mistakes = [...versionMistakes(version), ...settingMistakes(variables)]
  if (mistakes.length > 0) throw new PledgedError('CONFIGURATION', mistakes.join('; '))
  return {
    flavour: flavourOf(version),
    version,
    database: textOf(row, 'db'),
    user: quoteUser(textOf(row, 'user')),
    serverUuid: variables.get('server_uuid'),
  }
}

function* versionMistakes(version: string): Iterable<string> {
  if (/tidb/i.test(version)) yield `this is ${version}, which has no XA: use MariaDB or MySQL`
  const flavour = flavourOf(version)
  const oldest = OLDEST[flavour]
  // MariaDB behind an old replication client calls itself 5.5.5-10.11.
  const [, ...numbers] = /^(?:5\.5\.5-)?([0-9]+)\.([0-9]+)\.([0-9]+)/.exec(version) ?? []
  const difference = oldest
    .map((number, index) => Number(numbers[index] ?? Number.NaN) - number)
    .find((part) => part !== 0)
  if (difference === undefined || difference > 0) return
  yield `this is ${version}, where a prepared branch does not outlive its connection: use ${
    flavour === 'mariadb' ? 'MariaDB' : 'MySQL'
  } ${oldest.join('.')} or later`
}

function* settingMistakes(variables: Variables): Iterable<string> {
  const value = (name: (typeof NAMES)[number]): string => (variables.get(name) ?? '').toUpperCase()
  const isOn = (name: (typeof NAMES)[number]): boolean => !['', '0', 'OFF'].includes(value(name))
  const flush = value('innodb_flush_log_at_trx_commit')
  if (flush !== '1' && flush !== '3') {
    yield `innodb_flush_log_at_trx_commit is ${flush}, so a pledge could be lost with the power: SET GLOBAL ` +
      'innodb_flush_log_at_trx_commit = 1, and in the configuration file'
  }
  if (['NOSYNC', 'LITTLESYNC'].includes(value('innodb_flush_method'))) {
    yield `innodb_flush_method is ${value('innodb_flush_method')}, so nothing is forced to disk: leave it out of the configuration file`
  }
  if (isOn('log_bin') && value('sync_binlog') !== '1') {
    yield `sync_binlog is ${value('sync_binlog')} while the binary log is on, which decides after a crash what was committed: ` +
      'SET GLOBAL sync_binlog = 1, and in the configuration file'
  }
  if (variables.has('innodb_support_xa') && !isOn('innodb_support_xa')) {
    yield 'innodb_support_xa is off: SET GLOBAL innodb_support_xa = 1, and in the configuration file'
  }
  if (isOn('innodb_force_recovery')) {
    yield `innodb_force_recovery is ${value('innodb_force_recovery')}: finish the recovery, and start the server without it`
  }
  if (isOn('read_only') || isOn('super_read_only')) {
    yield 'the server is read_only: let the url name the primary, or SET GLOBAL read_only = 0'
  }
  if (isOn('wsrep_on')) {
    yield 'the server is a node of a Galera cluster, which has no XA: use a server without wsrep_on'
  }
}

/** `name@%` becomes `'name'@'%'`. */
function quoteUser(user: string): string {
  const at = user.lastIndexOf('@')
  const quote = (part: string): string => `'${part.replaceAll("'", "''")}'`
  return `${quote(user.slice(0, at))}@${quote(user.slice(at + 1))}`
}
