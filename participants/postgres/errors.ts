/**
 * PostgreSQL's errors (its manual, "PostgreSQL Error Codes"), by what they say of the statement that met them, in each
 * phase of a branch. A code that isn't listed is taken by its class, its first two characters.
 *
 * An ERROR within a transaction undoes it, and one that PREPARE TRANSACTION, COMMIT or COMMIT PREPARED answers says
 * that they did nothing. A connection that ends with the answer outstanding says nothing: what PREPARE and COMMIT may
 * have done is then unknown. No code says that a statement did what was asked and failed.
 */
import { messageOf } from '../../src/sdk/participant/index.ts'
import { DatabaseFailure, type Effect } from '../shared/servers/database-failure.ts'

/**
 * connect: until the first statement. work: the branch's statements, up to its witness. prepare: PREPARE TRANSACTION,
 * and the COMMIT of one phase. end: COMMIT PREPARED, ROLLBACK PREPARED, and what is written to Pledged's own tables.
 * look: what only reads.
 */
export const PHASES = ['connect', 'work', 'prepare', 'end', 'look'] as const
export type Phase = (typeof PHASES)[number]

export interface ErrorKind {
  readonly effect: Readonly<Record<Phase, Effect>>
  /** The same work may succeed later, unchanged. */
  readonly retryable: boolean
  readonly connectionLost: boolean
  /** For a person: what it means and what to do. Empty where PostgreSQL's own text says it all. */
  readonly advice: string
}

const AGAIN = { retryable: true } as const
const NEVER = { retryable: false } as const

export const POSTGRES_ERRORS: Readonly<Record<string, ErrorKind>> = {
  '08001': refused(
    AGAIN,
    'the server can not be reached: see that it runs and that the url names its host and port',
    {
      connectionLost: true,
    },
  ),
  '08006': severed('the connection broke'),
  '08': severed('the connection broke'),
  '0A000': refused(
    NEVER,
    'PostgreSQL does not support this; a transaction that is prepared may not touch temporary tables, nor NOTIFY',
  ),
  '21': refused(NEVER, ''),
  '22': refused(NEVER, ''),
  '23': refused(NEVER, ''),
  '25001': refused(NEVER, 'the statement can not run inside a transaction'),
  '25006': refused(
    AGAIN,
    'the server or the session is read-only: is it a replica, or default_transaction_read_only on?',
  ),
  '25P02': refused(NEVER, ''),
  '25P03': severed('idle_in_transaction_session_timeout ended the session'),
  '25P04': severed('transaction_timeout ended the session'),
  '25': refused(NEVER, ''),
  '2D000': refused(NEVER, 'the work tried to end its own transaction: a branch is ended by its coordinator'),
  '28P01': refused(NEVER, 'the password is wrong: mend the url', { connectionLost: true }),
  '28000': refused(
    NEVER,
    'the server does not admit this user: see its pg_hba.conf and that the role may log in',
    {
      connectionLost: true,
    },
  ),
  '3D000': refused(NEVER, 'there is no such database: create it, or mend the url', { connectionLost: true }),
  '3F000': refused(NEVER, ''),
  '40001': refused(AGAIN, ''),
  '40003': unknown('the server does not know whether the statement completed'),
  '40P01': refused(AGAIN, ''),
  '40': refused(AGAIN, ''),
  '42501': refused(
    NEVER,
    'grant the role what the statement needs; a prepared transaction is ended by the role that prepared it',
  ),
  '42704': refused(NEVER, ''),
  '42710': refused(NEVER, ''),
  '42': refused(NEVER, ''),
  '44': refused(NEVER, ''),
  '53100': unlessPrepared(AGAIN, 'the disk of the server is full: make room'),
  '53200': refused(
    AGAIN,
    'the server has no room left: end branches in doubt, or raise max_prepared_transactions (or its memory)',
  ),
  '53300': refused(
    AGAIN,
    'the server has no connection left: lower pool_size, or raise max_connections or the limit of the role',
    {
      connectionLost: true,
    },
  ),
  '53': refused(AGAIN, ''),
  '54': refused(NEVER, ''),
  '55000': refused(AGAIN, ''),
  '55006': refused(AGAIN, ''),
  '55P03': refused(AGAIN, 'another transaction held the lock for longer than lock_timeout'),
  '55': refused(AGAIN, ''),
  '57014': refused(AGAIN, 'the statement took longer than its vote is waited for, or was cancelled'),
  '57P01': severed('the session was ended by an administrator, or the server is shutting down'),
  '57P03': refused(AGAIN, 'the server is starting up or shutting down', { connectionLost: true }),
  '57P05': severed('idle_session_timeout ended the session'),
  '57': severed(''),
  '58': unlessPrepared(AGAIN, 'the server failed to read or write: see its log'),
  P0: refused(NEVER, ''),
  XX: unlessPrepared(NEVER, 'an internal error of the server: see its log'),
}

/** Of a code that isn't on the list, nor its class: nothing may be concluded. */
const OTHER = unlessPrepared(AGAIN, '')

export function kindOf(code: string): ErrorKind {
  return POSTGRES_ERRORS[code] ?? POSTGRES_ERRORS[code.slice(0, 2)] ?? OTHER
}

/** Of whatever the driver throws. What has no SQLSTATE is an error of the connection, or of making it. */
export function failureOf(error: unknown, phase: Phase): DatabaseFailure {
  if (error instanceof DatabaseFailure) return error
  const code = sqlstateOf(error) ?? (phase === 'connect' ? '08001' : '08006')
  const kind = kindOf(code)
  const text = sentenceOf(error, code, kind.advice)
  return new DatabaseFailure(
    code,
    text,
    {
      effect: kind.effect[phase],
      retryable: kind.retryable,
      connectionLost: kind.connectionLost || phase === 'connect' || isFatal(error),
    },
    error,
  )
}

/** The connection is given up with the answer outstanding. */
export function abandoned(phase: Phase, why: string): DatabaseFailure {
  const kind = kindOf('08006')
  return new DatabaseFailure('08006', why, {
    effect: kind.effect[phase],
    retryable: true,
    connectionLost: true,
  })
}

function sqlstateOf(error: unknown): string | undefined {
  if (error instanceof DatabaseFailure) return error.code
  return serversError(error)?.code
}

/** An error of the server's, or of the connection to it; the driver gives some of the latter no code. */
export function isOfDatabase(error: unknown): boolean {
  if (sqlstateOf(error) !== undefined) return true
  if (!(error instanceof Error)) return false
  const { syscall } = error as NodeJS.ErrnoException
  return syscall !== undefined || LOST_CONNECTION.test(error.message)
}

const LOST_CONNECTION =
  /^(?:Connection terminated|Client has encountered a connection error|Client was closed)/

function isFatal(error: unknown): boolean {
  const severity = serversError(error)?.severity
  return severity === 'FATAL' || severity === 'PANIC'
}

interface ServersError {
  readonly code: string
  readonly severity: string
  readonly detail?: string | undefined
  readonly hint?: string | undefined
}

/**
 * Known by its looks, since an application's driver may be another copy than ours. An error of the network can have a code
 * of five letters (EPIPE), and never a severity.
 */
function serversError(error: unknown): ServersError | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, severity } = error as Error & { code?: unknown; severity?: unknown }
  if (typeof severity !== 'string' || typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code))
    return undefined
  return error as Error & ServersError
}

function sentenceOf(error: unknown, code: string, advice: string): string {
  const parts = [advice, messageOf(error)]
  const { detail = '', hint = '' } = serversError(error) ?? {}
  parts.push(detail, hint)
  const text = parts.filter((part) => part !== '').join('; ')
  return `${text} (SQLSTATE ${code})`
}

function refused(
  { retryable }: { readonly retryable: boolean },
  advice: string,
  { connectionLost = false }: { readonly connectionLost?: boolean } = {},
): ErrorKind {
  return { effect: effects('not_done', 'not_done'), retryable, connectionLost, advice }
}

function severed(advice: string): ErrorKind {
  return { effect: effects('not_done', 'unknown'), retryable: true, connectionLost: true, advice }
}

/** The session lives, and nothing may be concluded of what forces the log. */
function unlessPrepared({ retryable }: { readonly retryable: boolean }, advice: string): ErrorKind {
  return { effect: effects('not_done', 'unknown'), retryable, connectionLost: false, advice }
}

function unknown(advice: string): ErrorKind {
  return { effect: effects('unknown', 'unknown'), retryable: true, connectionLost: false, advice }
}

/** `forced`: of what makes something durable. */
function effects(others: Effect, forced: Effect): Readonly<Record<Phase, Effect>> {
  return { connect: 'not_done', work: others, prepare: forced, end: forced, look: others }
}
