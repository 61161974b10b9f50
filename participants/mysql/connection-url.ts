/**
 * The URL of a database: mysql://USER:PASSWORD@HOST:PORT/DATABASE, with TLS by the parameters that the servers' own
 * clients name ssl-mode, ssl-ca, ssl-cert and ssl-key, and `socket` for a unix socket. No message contains the URL, since
 * it has a password in it.
 *
 * Two differences from those clients: nothing is taken from option files or from the environment; and there is no
 * PREFERRED, which would talk without TLS to whoever says that he has none.
 */
import { isIP } from 'node:net'
import type { SslOptions } from 'mysql2'
import {
  mistakenUrl,
  readDatabaseUrl,
  readNamedFile,
  unknownParameters,
} from '../shared/servers/database-url.ts'

export interface DatabaseAddress {
  readonly host: string
  readonly port: number
  readonly socket: string | undefined
  readonly user: string
  readonly password: string
  readonly database: string
  readonly ssl: SslOptions | undefined
}

const FORM = 'mysql://USER:PASSWORD@HOST:PORT/DATABASE'
const PARAMETERS = ['ssl-mode', 'ssl-ca', 'ssl-cert', 'ssl-key', 'socket'] as const
type Parameter = (typeof PARAMETERS)[number]
const MODES = ['DISABLED', 'REQUIRED', 'VERIFY_CA', 'VERIFY_IDENTITY'] as const
type Mode = (typeof MODES)[number]
const DEFAULT_PORT = 3306

/** Throws CONFIGURATION, with every mistake that can be seen. */
export function parseDatabaseUrl(text: string, participant: string): DatabaseAddress {
  const url = readDatabaseUrl(text, { form: FORM, protocols: ['mysql:', 'mariadb:'], participant })
  const mistakes = unknownParameters(url, PARAMETERS)
  const user = decodeURIComponent(url.username)
  if (user === '') mistakes.push(`names no user: ${FORM}`)
  const host = decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1')
  if (host === '') mistakes.push(`names no host: ${FORM}`)
  const database = decodeURIComponent(url.pathname.slice(1))
  if (database === '') mistakes.push(`names no database: ${FORM}`)
  const socket = url.searchParams.get('socket') ?? undefined
  const mode = readMode(url, { host, socket }, mistakes)
  if (mistakes.length > 0) throw mistakenUrl(participant, mistakes.join('; and it '))
  return {
    host,
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    socket,
    user,
    password: decodeURIComponent(url.password),
    database,
    ssl: mode === 'DISABLED' ? undefined : sslOptions(url, mode, participant),
  }
}

interface Way {
  readonly host: string
  readonly socket: string | undefined
}

function readMode(url: URL, way: Way, mistakes: string[]): Mode {
  const given = url.searchParams.get('ssl-mode')
  if (given === null) {
    // Who names an authority wants it asked.
    if (url.searchParams.has('ssl-ca')) return checkIdentity('VERIFY_IDENTITY', way, mistakes)
    if (!isLocal(way)) {
      mistakes.push(
        'names a server on another machine without saying how the way there is secured: add ' +
          'ssl-mode=VERIFY_IDENTITY, or ssl-mode=DISABLED where the network is trusted',
      )
    }
    return 'DISABLED'
  }
  const mode = MODES.find((known) => known === given.toUpperCase().replaceAll('-', '_'))
  if (mode !== undefined) return checkIdentity(mode, way, mistakes)
  mistakes.push(`has the ssl-mode ${JSON.stringify(given)}: use ${MODES.join(', ')}`)
  return 'DISABLED'
}

/** The driver compares the certificate with names alone. */
function checkIdentity(mode: Mode, { host }: Way, mistakes: string[]): Mode {
  if (mode === 'VERIFY_IDENTITY' && isIP(host) !== 0) {
    mistakes.push(
      `asks for ssl-mode VERIFY_IDENTITY of ${host}: a certificate is compared with a name; name the host, or use VERIFY_CA`,
    )
  }
  return mode
}

function isLocal({ host, socket }: Way): boolean {
  return (
    socket !== undefined ||
    host === '' ||
    host === 'localhost' ||
    host === '::1' ||
    /^127(?:\.\d+){3}$/.test(host)
  )
}

function sslOptions(url: URL, mode: Mode, participant: string): SslOptions {
  const read = (name: Parameter) => readNamedFile(url, name, participant)
  const ca = read('ssl-ca')
  const cert = read('ssl-cert')
  const key = read('ssl-key')
  return {
    rejectUnauthorized: mode !== 'REQUIRED',
    verifyIdentity: mode === 'VERIFY_IDENTITY',
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  }
}
