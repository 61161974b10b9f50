/**
 * The errors of MySQL and MariaDB ("Server Error Message Reference", "MariaDB Error Codes"), and of the connection to
 * them, by what they say of the statement that met them, in each phase of a branch.
 *
 * An error within the work undoes the branch, whose transaction ends with its session. One that XA PREPARE or XA
 * COMMIT answers says that they did nothing, but for those that come from the engine. A connection that ends with the
 * answer outstanding says nothing. No code says that a statement did what was asked and failed.
 */
import { messageOf } from '../../src/sdk/participant/index.ts'
import { DatabaseFailure, type Effect } from '../shared/servers/database-failure.ts'

/**
 * connect: until the first statement. work: the branch's statements, up to XA END. prepare: XA PREPARE, and the XA
 * COMMIT of one phase. end: XA COMMIT, XA ROLLBACK, and what is written to Pledged's own tables. look: what only reads.
 */
export const PHASES = ['connect', 'work', 'prepare', 'end', 'look'] as const
export type Phase = (typeof PHASES)[number]

export interface ErrorKind {
  /** The server's number is the key; of the driver, the name is both. */
  readonly name: string
  readonly effect: Readonly<Record<Phase, Effect>>
  /** The same work may succeed later, unchanged. */
  readonly retryable: boolean
  readonly connectionLost: boolean
  /** For a person: what it means and what to do. Empty where the server's own text says it all. */
  readonly advice: string
}

const NO_SUCH_XID = '1397'
export const DUPLICATE_KEY = '1062'
export const LOCKED_FOR_TOO_LONG = '1205'
export const NO_SUCH_SESSION = '1094'

/** The branch was rolled back, by the engine or by hand: it isn't prepared (R3 looks what became of it). */
export const NOT_PREPARED: ReadonlySet<string> = new Set([NO_SUCH_XID, '1402', '1613', '1614'])
/** The user may not do that. */
export const DENIED: ReadonlySet<string> = new Set(['1044', '1142', '1143', '1227', '1370'])

const LOST = { connectionLost: true } as const
const AGAIN = { retryable: true } as const
const NEVER = { retryable: false } as const
const READ_ONLY = 'the server takes no writes: is it a replica, or read_only set?'
const SEVERED = 'the connection broke'

export const MYSQL_ERRORS: Readonly<Record<string, ErrorKind>> = {
  1021: unlessForced('ER_DISK_FULL', AGAIN, 'the disk of the server is full: make room'),
  1030: unlessForced('ER_GET_ERRNO', AGAIN, 'the storage engine failed: see the log of the server'),
  1040: refused('ER_CON_COUNT_ERROR', AGAIN, 'lower pool_size, or raise max_connections', LOST),
  1044: refused('ER_DBACCESS_DENIED_ERROR', NEVER, 'grant the user the database, or mend the url'),
  1045: refused('ER_ACCESS_DENIED_ERROR', NEVER, 'the user or the password is wrong: mend the url', LOST),
  1049: refused('ER_BAD_DB_ERROR', NEVER, 'create the database, or mend the url', LOST),
  1053: severed('ER_SERVER_SHUTDOWN', 'the server is shutting down'),
  1062: refused('ER_DUP_ENTRY', NEVER, ''),
  1094: refused('ER_NO_SUCH_THREAD', NEVER, ''),
  1095: refused('ER_KILL_DENIED_ERROR', NEVER, "the session is another user's: end it by hand"),
  1114: refused('ER_RECORD_FILE_FULL', AGAIN, 'the table, or its tablespace, is full'),
  1142: refused('ER_TABLEACCESS_DENIED_ERROR', NEVER, 'grant the user what the statement needs'),
  1143: refused('ER_COLUMNACCESS_DENIED_ERROR', NEVER, 'grant the user what the statement needs'),
  1146: refused('ER_NO_SUCH_TABLE', NEVER, ''),
  1180: unlessForced('ER_ERROR_DURING_COMMIT', AGAIN, 'the storage engine failed: see the log of the server'),
  1181: unlessForced(
    'ER_ERROR_DURING_ROLLBACK',
    AGAIN,
    'the storage engine failed: see the log of the server',
  ),
  1203: refused(
    'ER_TOO_MANY_USER_CONNECTIONS',
    AGAIN,
    'lower pool_size, or raise max_user_connections',
    LOST,
  ),
  1205: refused(
    'ER_LOCK_WAIT_TIMEOUT',
    AGAIN,
    'another transaction held the lock for longer than the lock timeout',
  ),
  1213: refused('ER_LOCK_DEADLOCK', AGAIN, ''),
  1226: refused('ER_USER_LIMIT_REACHED', AGAIN, 'raise the limit of the user'),
  1227: refused('ER_SPECIFIC_ACCESS_DENIED_ERROR', NEVER, 'grant the user what the statement needs'),
  1290: refused('ER_OPTION_PREVENTS_STATEMENT', AGAIN, READ_ONLY),
  1317: unlessForced('ER_QUERY_INTERRUPTED', AGAIN, 'the statement was cancelled'),
  1370: refused('ER_PROCACCESS_DENIED_ERROR', NEVER, 'grant the user what the statement needs'),
  1397: refused(
    'ER_XAER_NOTA',
    NEVER,
    'no branch of this name is prepared, or the session that prepared it is still connected',
  ),
  1398: refused('ER_XAER_INVAL', NEVER, ''),
  1399: refused(
    'ER_XAER_RMFAIL',
    NEVER,
    'a branch is ended by its coordinator, and by nothing that runs within it',
  ),
  1400: refused('ER_XAER_OUTSIDE', AGAIN, 'the session was in another transaction'),
  1401: unlessForced('ER_XAER_RMERR', AGAIN, 'the storage engine failed: see the log of the server'),
  1402: refused('ER_XA_RBROLLBACK', AGAIN, 'the server rolled the branch back'),
  1440: refused('ER_XAER_DUPID', NEVER, 'a branch of this name is prepared already, or being prepared'),
  1613: refused('ER_XA_RBTIMEOUT', AGAIN, 'the server rolled the branch back: a lock was held for too long'),
  1614: refused('ER_XA_RBDEADLOCK', AGAIN, 'the server rolled the branch back: a deadlock'),
  1665: refused('ER_BINLOG_STMT_MODE_AND_ROW_ENGINE', NEVER, 'set binlog_format to ROW or MIXED'),
  1792: refused('ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION', AGAIN, READ_ONLY),
  1836: refused('ER_READ_ONLY_MODE', AGAIN, READ_ONLY),
  1927: severed('ER_CONNECTION_KILLED', 'the session was killed'),
  1969: unlessForced('ER_STATEMENT_TIMEOUT', AGAIN, 'max_statement_time ended the statement'),
  2006: severed('CR_SERVER_GONE_ERROR', 'the server is gone'),
  2013: severed('CR_SERVER_LOST', SEVERED),
  3024: unlessForced('ER_QUERY_TIMEOUT', AGAIN, 'max_execution_time ended the statement'),
  3101: refused(
    'ER_TRANSACTION_ROLLBACK_DURING_COMMIT',
    AGAIN,
    'group replication rolled the transaction back',
  ),
  4031: refused('ER_CLIENT_INTERACTION_TIMEOUT', AGAIN, 'the server had closed the idle session', LOST),
  ECONNREFUSED: refused(
    'ECONNREFUSED',
    AGAIN,
    'see that the server runs, and that the url names its host and port',
    LOST,
  ),
  ENOENT: refused('ENOENT', AGAIN, 'see that the server runs, and that the url names its socket', LOST),
  ENOTFOUND: refused('ENOTFOUND', AGAIN, 'see that the url names the host', LOST),
  HANDSHAKE_NO_SSL_SUPPORT: refused(
    'HANDSHAKE_NO_SSL_SUPPORT',
    NEVER,
    'give the server a certificate, or the url another ssl-mode',
    LOST,
  ),
  ETIMEDOUT: severed('ETIMEDOUT', 'the server did not answer in time'),
  ECONNRESET: severed('ECONNRESET', SEVERED),
  EPIPE: severed('EPIPE', SEVERED),
  PROTOCOL_CONNECTION_LOST: severed('PROTOCOL_CONNECTION_LOST', SEVERED),
}

/** Of a code of the server that isn't listed: a statement that failed is undone, and what forces may have. */
const OTHER_OF_SERVER = unlessForced('', NEVER, '')
const OTHER = severed('', '')

/** Of whatever the driver throws. */
export function failureOf(error: unknown, phase: Phase): DatabaseFailure {
  if (error instanceof DatabaseFailure) return error
  const { errno, code, fatal } = factsOf(error)
  const own = Object.hasOwn(MYSQL_ERRORS, errno) ? errno : code
  const isServers = /^[1-9][0-9]*$/.test(own)
  const kind = kindOf(own)
  const words = [kind.advice, messageOf(error)].filter((text) => text !== '').join('; ')
  const text = isServers ? `${words} (error ${own})` : words
  const connectionLost = kind.connectionLost || fatal || phase === 'connect'
  return new DatabaseFailure(
    own,
    text,
    { effect: kind.effect[phase], retryable: kind.retryable, connectionLost },
    error,
  )
}

/** An error of the server's, or of the connection to it. */
export function isOfDatabase(error: unknown): boolean {
  const { errno, fatal } = factsOf(error)
  return error instanceof Error && (errno !== '' || fatal)
}

export function kindOf(code: string): ErrorKind {
  const listed = Object.hasOwn(MYSQL_ERRORS, code) ? MYSQL_ERRORS[code] : undefined
  return listed ?? (/^[1-9][0-9]*$/.test(code) ? OTHER_OF_SERVER : OTHER)
}

/** The connection is given up with the answer outstanding. */
export function abandoned(phase: Phase, why: string): DatabaseFailure {
  const { effect } = kindOf('PROTOCOL_CONNECTION_LOST')
  return new DatabaseFailure('PROTOCOL_CONNECTION_LOST', why, {
    effect: effect[phase],
    retryable: true,
    connectionLost: true,
  })
}

/** The driver's errors have the server's number as errno and its name as code; those of the network, a code alone. */
function factsOf(error: unknown): { readonly errno: string; readonly code: string; readonly fatal: boolean } {
  if (!(error instanceof Error)) return { errno: '', code: '', fatal: true }
  const { errno, code, fatal } = error as Error & { errno?: unknown; code?: unknown; fatal?: unknown }
  const isServers = typeof errno === 'number' && errno > 0
  return {
    errno: isServers ? String(errno) : '',
    code: isServers ? String(errno) : typeof code === 'string' ? code : '',
    fatal: fatal === true,
  }
}

interface Lasting {
  readonly retryable: boolean
}

function refused(
  name: string,
  { retryable }: Lasting,
  advice: string,
  { connectionLost }: { readonly connectionLost: boolean } = { connectionLost: false },
): ErrorKind {
  return { name, effect: effects('not_done'), retryable, connectionLost, advice }
}

function severed(name: string, advice: string): ErrorKind {
  return { name, effect: effects('unknown'), retryable: true, connectionLost: true, advice }
}

/** The session lives, and nothing may be concluded of what forces the log. */
function unlessForced(name: string, { retryable }: Lasting, advice: string): ErrorKind {
  return { name, effect: effects('unknown'), retryable, connectionLost: false, advice }
}

/** `forced`: of what makes something durable. */
function effects(forced: Effect): Readonly<Record<Phase, Effect>> {
  return { connect: 'not_done', work: 'not_done', prepare: forced, end: forced, look: 'not_done' }
}
