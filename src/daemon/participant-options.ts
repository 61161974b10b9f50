/** What `pledged participant serve` is given, and the resource that it amounts to. */
import { parse as parseYaml } from 'yaml'
import {
  BUILT_IN_KINDS,
  type BuiltInKind,
  type BuiltInResource,
  builtInKindOf,
} from '../../participants/registry.ts'
import { messageOf, PledgedError } from '../base/errors.ts'
import { readSmallFile } from '../base/small-file.ts'
import type { ClientTls } from '../dialling/index.ts'
import type { ServerTls } from '../serving/index.ts'
import { readUrlFile } from './database-url.ts'
import type { Environment } from './options.ts'
import { LOCK_TIMEOUT_MS, POOL_SIZE, parseStatements } from './participant-schema.ts'
import { Mistake, parseCount, parseDuration } from './values.ts'

export interface ParticipantOptions {
  /** One that is built in. */
  readonly kind: string
  readonly name: string
  /** Of sqlite and offsets. */
  readonly file?: string | undefined
  /** Of postgres and mysql: a file that has the URL. Left out: PLEDGED_PARTICIPANT_URL. */
  readonly urlFile?: string | undefined
  /** Attaching, of the token that it shows; listening, of the token that its caller has to show. */
  readonly tokenFile?: string | undefined
  /** PEM files: its own certificate and key, and the authority of the other side, which is the daemon's either way. */
  readonly tls?: ClientTls | undefined
  /** Of the daemon: HOST:PORT or unix:PATH. Left out: PLEDGED_ADDRESS, then the default. */
  readonly address?: string | undefined
  /** HOST:PORT or unix:PATH. Given, it doesn't attach: it listens, and the daemon calls it. */
  readonly listen?: string | undefined
  /** Listen also where other machines can reach it. */
  readonly insecure?: boolean | undefined
  /** Of sqlite, postgres and mysql: a YAML file of NAME: SQL. Given, it takes no other statements. */
  readonly statementsFile?: string | undefined
  /** Of postgres and mysql: as they stand in the configuration. */
  readonly poolSize?: string | undefined
  readonly lockTimeout?: string | undefined
}

/** Throws USAGE where files are missing that a server needs. */
export function serverTlsOf(tls: ClientTls | undefined): ServerTls | undefined {
  if (tls === undefined) return undefined
  const { certFile, keyFile, caFile } = tls
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile, clientCaFile: caFile }
  throw new PledgedError(
    'USAGE',
    'with --listen, TLS needs a certificate of its own: give --tls-cert and --tls-key; --tls-ca besides is the authority of whoever may call',
  )
}

/** Never a flag: whoever lists the processes of a machine reads their flags. */
const URL_VARIABLE = 'PLEDGED_PARTICIPANT_URL'

export interface FoundResource {
  readonly resource: BuiltInResource
  readonly warning: string | undefined
}

/** Throws USAGE for flags that are missing or don't go together, CONFIGURATION for a URL that is none. */
export function resourceOf(options: ParticipantOptions, env: Environment): FoundResource {
  const kind = builtInKindOf(options.kind)
  if (BUILT_IN_KINDS[kind] === 'file') return { resource: fileResource(kind, options), warning: undefined }
  refuse(kind, '--file', options.file)
  const settings = {
    statements: statementsOf(options.statementsFile),
    poolSize: read('--pool-size', options.poolSize, (text) => parseCount(text, POOL_SIZE)),
    lockTimeoutMs: read('--lock-timeout', options.lockTimeout, (text) =>
      parseDuration(text, LOCK_TIMEOUT_MS),
    ),
  }
  const { url, warning } = urlOf(kind, options.urlFile, env)
  return { resource: { kind: kind === 'mysql' ? kind : 'postgres', url, ...settings }, warning }
}

function fileResource(kind: BuiltInKind, options: ParticipantOptions): BuiltInResource {
  const file = fileOf(kind, options)
  for (const [flag, given] of [
    ['--pool-size', options.poolSize],
    ['--lock-timeout', options.lockTimeout],
    ...(kind === 'offsets' ? ([['--statements-file', options.statementsFile]] as const) : []),
  ] as const) {
    if (given !== undefined) throw new PledgedError('USAGE', `a participant of kind ${kind} takes no ${flag}`)
  }
  if (kind === 'offsets') return { kind, file }
  return { kind: 'sqlite', file, statements: statementsOf(options.statementsFile) }
}

function read<Value>(
  flag: string,
  text: string | undefined,
  parse: (text: string) => Value,
): Value | undefined {
  if (text === undefined) return undefined
  try {
    return parse(text)
  } catch (error) {
    if (error instanceof Mistake) throw new PledgedError('USAGE', `${flag}: ${error.message}`)
    throw error
  }
}

const STATEMENTS_FILE_BYTES_MAX = 16 << 20
/** What yaml warns of would stand on standard error, and name no file. */
const SILENTLY = { logLevel: 'error' } as const

function statementsOf(file: string | undefined): Readonly<Record<string, string>> | undefined {
  return read('--statements-file', file, (path) => {
    try {
      return parseStatements(parseYaml(readSmallFile(path, STATEMENTS_FILE_BYTES_MAX).text, SILENTLY))
    } catch (error) {
      if (error instanceof Mistake) throw error
      throw new Mistake(`${path} can't be read: ${messageOf(error)}`)
    }
  })
}

function fileOf(kind: BuiltInKind, { file, urlFile }: ParticipantOptions): string {
  refuse(kind, '--url-file', urlFile)
  if (file !== undefined) return file
  throw new PledgedError('USAGE', `a participant of kind ${kind} lives in a file: say which with --file`)
}

function refuse(kind: BuiltInKind, flag: string, given: string | undefined): void {
  if (given === undefined) return
  const instead =
    BUILT_IN_KINDS[kind] === 'file' ? '--file' : `--url-file, or the URL in the variable ${URL_VARIABLE}`
  throw new PledgedError('USAGE', `a participant of kind ${kind} takes no ${flag}: give ${instead}`)
}

function urlOf(
  kind: BuiltInKind,
  file: string | undefined,
  env: Environment,
): { readonly url: string; readonly warning: string | undefined } {
  if (file !== undefined) return fromFile(file)
  const url = env[URL_VARIABLE]
  if (url !== undefined && url !== '') return { url, warning: undefined }
  throw new PledgedError(
    'USAGE',
    `a participant of kind ${kind} needs the URL of its database: give --url-file, a file that has it, or set ${URL_VARIABLE}`,
  )
}

function fromFile(file: string): { readonly url: string; readonly warning: string | undefined } {
  try {
    return readUrlFile(file)
  } catch (error) {
    if (!(error instanceof Mistake)) throw error
    throw new PledgedError('CONFIGURATION', `--url-file: ${error.message}`, { cause: error })
  }
}
