/**
 * The URL of a database: mysql://USER:PASSWORD@HOST:PORT/DATABASE, with TLS by the parameters that the servers' own
 * clients name ssl-mode, ssl-ca, ssl-cert and ssl-key, and `socket` for a unix socket. No message contains the URL, since
 * it has a password in it.
 *
 * Two differences from those clients: nothing is taken from option files or from the environment; and there is no
 * PREFERRED, which would talk without TLS to whoever says that he has none.
 */
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { SslOptions } from 'mysql2'
import { messageOf, PledgedError } from '../../src/sdk/participant/index.ts'

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
  const url = readUrl(text, participant)
  const mistakes: string[] = []
  const user = decodeURIComponent(url.username)
  for (const name of new Set(url.searchParams.keys())) {
    if ((PARAMETERS as readonly string[]).includes(name)) continue
    // Without a user, what looks like a parameter may be a password with a question mark in it.
    const shown = `${url.username}${url.password}` === '' ? 'a parameter' : `the parameter ${name}`
    mistakes.push(`has ${shown}, which is not one of ${PARAMETERS.join(', ')}`)
  }
  if (user === '') mistakes.push(`names no user: ${FORM}`)
  const host = decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1')
  if (host === '') mistakes.push(`names no host: ${FORM}`)
  const database = decodeURIComponent(url.pathname.slice(1))
  if (database === '') mistakes.push(`names no database: ${FORM}`)
  const socket = url.searchParams.get('socket') ?? undefined
  const mode = readMode(url, { host, socket }, mistakes)
  if (mistakes.length > 0) throw mistaken(participant, mistakes.join('; and it '))
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

function readUrl(text: string, participant: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['mysql:', 'mariadb:'].includes(url.protocol)) {
    throw mistaken(participant, `is not of the form ${FORM}`)
  }
  try {
    decodeURIComponent(`${url.username}${url.password}${url.hostname}${url.pathname}`)
    return url
  } catch {
    throw mistaken(participant, 'has a % that is not part of an escape: write it %25')
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
  const read = (name: Parameter): Buffer | undefined => {
    const file = url.searchParams.get(name)
    if (file === null) return undefined
    try {
      return readFileSync(file)
    } catch (error) {
      throw mistaken(participant, `has an ${name} that can not be read: ${messageOf(error)}`)
    }
  }
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

function mistaken(participant: string, what: string): PledgedError {
  return new PledgedError('CONFIGURATION', `the url of participant "${participant}" ${what}`)
}
