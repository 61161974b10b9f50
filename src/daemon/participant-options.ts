/** What `pledged participant serve` is given, and the resource that it amounts to. */
import {
  BUILT_IN_KINDS,
  type BuiltInKind,
  type BuiltInResource,
  builtInKindOf,
} from '../../participants/registry.ts'
import { PledgedError } from '../base/errors.ts'
import { readUrlFile } from './database-url.ts'
import type { Environment } from './options.ts'
import { Mistake } from './values.ts'

export interface ParticipantOptions {
  /** One that is built in. */
  readonly kind: string
  readonly name: string
  /** Of sqlite and offsets. */
  readonly file?: string | undefined
  /** Of postgres and mysql: a file that has the URL. Left out: PLEDGED_PARTICIPANT_URL. */
  readonly urlFile?: string | undefined
  /** Of the daemon: HOST:PORT or unix:PATH. Left out: PLEDGED_ADDRESS, then the default. */
  readonly address?: string | undefined
  /** HOST:PORT or unix:PATH. Given, it doesn't attach: it listens, and the daemon calls it. */
  readonly listen?: string | undefined
  /** Listen also where other machines can reach it. */
  readonly insecure?: boolean | undefined
  /** Of sqlite, postgres and mysql: named statements. Given, it takes no others. */
  readonly statements?: Readonly<Record<string, string>> | undefined
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
  const { statements } = options
  if (kind === 'sqlite')
    return { resource: { kind, file: fileOf(kind, options), statements }, warning: undefined }
  if (kind === 'offsets') return { resource: { kind, file: fileOf(kind, options) }, warning: undefined }
  refuse(kind, '--file', options.file)
  const { url, warning } = urlOf(kind, options.urlFile, env)
  return { resource: { kind, url, statements }, warning }
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
