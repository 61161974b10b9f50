/**
 * The URL of a database, read as libpq reads it (its manual, "Connection URIs" and "SSL Support"), with two
 * differences: nothing is taken from the environment or from ~/.pgpass, and a server on another machine needs an
 * explicit sslmode. No message contains the URL, since it has a password in it.
 */
import type { ConnectionOptions } from 'node:tls'
import {
  mistakenUrl,
  readDatabaseUrl,
  readNamedFile,
  unknownParameters,
} from '../shared/servers/database-url.ts'

export interface DatabaseAddress {
  /** A name, an address, or the directory of a unix socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  readonly ssl: ConnectionOptions | false
}

const FORM = 'postgres://USER:PASSWORD@HOST:PORT/DATABASE'
const PARAMETERS = ['host', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey'] as const
type Parameter = (typeof PARAMETERS)[number]
const MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const
type Mode = (typeof MODES)[number]

const NO_HOST = 'host.missing.invalid'

/** Throws CONFIGURATION, with every mistake that can be seen. */
export function parseDatabaseUrl(text: string, participant: string): DatabaseAddress {
  const url = readUrl(text, participant)
  const mistakes = unknownParameters(url, PARAMETERS)
  const user = decodeURIComponent(url.username)
  if (user === '') mistakes.push(`names no user: ${FORM}`)
  const named = decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1')
  const host = url.searchParams.get('host') ?? (named === NO_HOST ? '' : named)
  if (host === '') mistakes.push(`names no host: ${FORM}`)
  const mode = readMode(url, host, mistakes)
  if (mistakes.length > 0) throw mistakenUrl(participant, mistakes.join('; and it '))
  return {
    host,
    port: url.port === '' ? 5432 : Number(url.port),
    user,
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)) || user,
    ssl: mode === 'disable' ? false : sslOptions(url, mode, participant),
  }
}

function readUrl(text: string, participant: string): URL {
  // libpq takes a user without a host, which then stands in the parameters; the URL standard doesn't.
  const filled = text.replace(/^(\w+:\/\/[^/?#]*@)(?=[/?#]|$)/, `$1${NO_HOST}`)
  return readDatabaseUrl(filled, { form: FORM, protocols: ['postgres:', 'postgresql:'], participant })
}

function readMode(url: URL, host: string, mistakes: string[]): Mode {
  const given = url.searchParams.get('sslmode')
  if (given === null) {
    if (isLocal(host) || host === '') return 'disable'
    mistakes.push(
      `names a server on another machine without saying how the way there is secured: add sslmode=verify-full, or sslmode=disable where the network is trusted`,
    )
    return 'disable'
  }
  const mode = MODES.find((known) => known === given)
  if (mode !== undefined) return mode
  mistakes.push(`has the sslmode ${JSON.stringify(given)}: use ${MODES.join(', ')}`)
  return 'disable'
}

function isLocal(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127(?:\.\d+){3}$/.test(host)
}

function sslOptions(url: URL, mode: Mode, participant: string): ConnectionOptions {
  const read = (name: Parameter) => readNamedFile(url, name, participant)
  const isSystem = url.searchParams.get('sslrootcert') === 'system'
  const ca = isSystem ? undefined : read('sslrootcert')
  const cert = read('sslcert')
  const key = read('sslkey')
  return {
    // As in libpq, sslmode=require with a root certificate checks it.
    rejectUnauthorized: mode !== 'require' || ca !== undefined,
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  }
}
