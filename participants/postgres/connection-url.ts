/**
 * The URL of a database, read as libpq reads it (its manual, "Connection URIs" and "SSL Support"), with two
 * differences: nothing is taken from the environment or from ~/.pgpass, and a server on another machine needs an
 * explicit sslmode. No message contains the URL, since it has a password in it.
 */
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { messageOf, PledgedError } from '../../src/sdk/participant/index.ts'

export interface DatabaseAddress {
  /** A name, an address, or the directory of a unix socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  readonly ssl: ConnectionOptions | false
}

const PARAMETERS = ['host', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey'] as const
const MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const
type Mode = (typeof MODES)[number]

const NO_HOST = 'host.missing.invalid'

/** Throws CONFIGURATION, with every mistake that can be seen. */
export function parseDatabaseUrl(text: string, participant: string): DatabaseAddress {
  const url = readUrl(text, participant)
  const mistakes: string[] = []
  const user = decode(url.username)
  for (const name of new Set(url.searchParams.keys())) {
    if ((PARAMETERS as readonly string[]).includes(name)) continue
    // Without a user, what looks like a parameter may be a password with a question mark in it.
    const shown = `${url.username}${url.password}` === '' ? 'a parameter' : `the parameter ${name}`
    mistakes.push(`has ${shown}, which is not one of ${PARAMETERS.join(', ')}`)
  }
  if (user === '') mistakes.push('names no user: postgres://USER:PASSWORD@HOST/DATABASE')
  const named = decode(url.hostname).replace(/^\[(.*)\]$/, '$1')
  const host = url.searchParams.get('host') ?? (named === NO_HOST ? '' : named)
  if (host === '') mistakes.push('names no host: postgres://USER:PASSWORD@HOST/DATABASE')
  const mode = readMode(url, host, mistakes)
  if (mistakes.length > 0) throw mistaken(participant, mistakes.join('; and it '))
  return {
    host,
    port: url.port === '' ? 5432 : Number(url.port),
    user,
    password: decode(url.password),
    database: decode(url.pathname.slice(1)) || user,
    ssl: mode === 'disable' ? false : sslOptions(url, mode, participant),
  }
}

function readUrl(text: string, participant: string): URL {
  // libpq takes a user without a host, which then stands in the parameters; the URL standard doesn't.
  const filled = text.replace(/^(\w+:\/\/[^/?#]*@)(?=[/?#]|$)/, `$1${NO_HOST}`)
  const url = URL.canParse(filled) ? new URL(filled) : undefined
  if (url !== undefined && ['postgres:', 'postgresql:'].includes(url.protocol)) {
    try {
      decode(`${url.username}${url.password}${url.hostname}${url.pathname}`)
      return url
    } catch {
      throw mistaken(participant, 'has a % that is not part of an escape: write it %25')
    }
  }
  throw mistaken(participant, 'is not of the form postgres://USER:PASSWORD@HOST:PORT/DATABASE')
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
  const read = (name: 'sslrootcert' | 'sslcert' | 'sslkey'): Buffer | undefined => {
    const file = url.searchParams.get(name)
    if (file === null || (name === 'sslrootcert' && file === 'system')) return undefined
    try {
      return readFileSync(file)
    } catch (error) {
      throw mistaken(participant, `has an ${name} that can not be read: ${messageOf(error)}`)
    }
  }
  const ca = read('sslrootcert')
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

function decode(text: string): string {
  return decodeURIComponent(text)
}

function mistaken(participant: string, what: string): PledgedError {
  return new PledgedError('CONFIGURATION', `the url of participant "${participant}" ${what}`)
}
