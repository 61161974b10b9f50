/**
 * The configured participants, from their entries: paths made absolute, secrets read, and what no entry shows by
 * itself checked: that names and files are given once, and that each participant takes what its entry says.
 */
import { resolve } from 'node:path'
import { type BuiltInResource, openParticipant } from '../../participants/registry.ts'
import { PledgedError } from '../base/errors.ts'
import { Access, type AccessOptions } from '../dialling/index.ts'
import { identityOf, isLogFile } from '../embedding/resource-files.ts'
import { readTokenFile } from '../serving/index.ts'
import type { Path } from './configuration-document.ts'
import { readUrlFile, withoutPassword } from './database-url.ts'
import type { ParticipantEntry } from './participant-schema.ts'
import { type Address, checkSocketPath, formatAddress, isLocal, Mistake } from './values.ts'

/** Its file is absolute; its URL may hold a password, and is shown to nobody. */
export type ConfiguredParticipant = { readonly name: string } & (
  | BuiltInResource
  | { readonly kind: 'grpc'; readonly address: string; readonly access?: AccessOptions }
)

/** Where it is, for people: no password is in it. */
export function resourceText(participant: ConfiguredParticipant): string {
  if ('url' in participant) return withoutPassword(participant.url)
  return 'file' in participant ? participant.file : participant.address
}

export interface EntriesContext {
  /** What relative paths are relative to. */
  readonly folder: string
  readonly dataDirectory: string
  /** Addresses that leave this machine are allowed. */
  readonly insecure: () => boolean
  readonly mistake: (path: Path, text: string) => void
  readonly warning: (path: Path, text: string) => void
}

/** Those of the entries that can be made sense of; undefined ones were mistaken, and are passed over. */
export function readEntries(
  entries: readonly (ParticipantEntry | undefined)[],
  context: EntriesContext,
): ConfiguredParticipant[] {
  return new EntryReader(context).read(entries)
}

class EntryReader {
  readonly #context: EntriesContext
  readonly #names = new Map<string, string>()
  readonly #files = new Map<string, string>()

  constructor(context: EntriesContext) {
    this.#context = context
  }

  read(entries: readonly (ParticipantEntry | undefined)[]): ConfiguredParticipant[] {
    return entries.flatMap((entry, index) => {
      const participant = entry === undefined ? undefined : this.#participant(entry, index)
      return participant === undefined ? [] : [participant]
    })
  }

  #participant(entry: ParticipantEntry, index: number): ConfiguredParticipant | undefined {
    const { name } = entry
    this.#checkUnique(
      this.#names,
      name,
      ['participants', index, 'name'],
      (first) => `"${name}" is the name of ${first} too: a name stands for one resource`,
    )
    if (entry.kind === 'grpc') return this.#listening(entry, index)
    const resource = this.#resource(entry, index)
    if (resource === undefined) return undefined
    this.#checkOptions(name, resource, { key: locatingKey(entry), index })
    return { name, ...resource }
  }

  #resource(entry: Exclude<ParticipantEntry, { kind: 'grpc' }>, index: number): BuiltInResource | undefined {
    switch (entry.kind) {
      case 'sqlite':
        return {
          kind: 'sqlite',
          file: this.#file(entry.file, index),
          ...('statements' in entry && { statements: entry.statements }),
        }
      case 'offsets':
        return { kind: 'offsets', file: this.#file(entry.file, index) }
      case 'postgres':
      case 'mysql': {
        const url = this.#url(entry, index)
        if (url === undefined) return undefined
        const { kind, statements, pool_size: poolSize, lock_timeout: lockTimeoutMs } = entry
        return { kind, url, statements, poolSize, lockTimeoutMs }
      }
    }
  }

  #file(given: string, index: number): string {
    const path = ['participants', index, 'file']
    const file = resolve(this.#context.folder, given)
    this.#checkUnique(
      this.#files,
      identityOf(file),
      path,
      (first) => `${file} is the file of ${first} too: one participant serves one file`,
    )
    if (isLogFile(file, this.#context.dataDirectory)) {
      this.#context.mistake(path, `${file} belongs to the log: choose another file`)
    }
    return file
  }

  #url(entry: Extract<ParticipantEntry, { kind: 'postgres' | 'mysql' }>, index: number): string | undefined {
    const { url, url_file: file } = entry
    if (file === undefined) return url
    const path = ['participants', index, 'url_file']
    return this.#attempt(path, () => {
      const read = readUrlFile(resolve(this.#context.folder, file))
      if (read.warning !== undefined) this.#context.warning(path, read.warning)
      return read.url
    })
  }

  #listening(entry: ListeningEntry, index: number): ConfiguredParticipant {
    const {
      tls_ca_file: caFile,
      tls_cert_file: certFile,
      tls_key_file: keyFile,
      token_file: tokenFile,
    } = entry
    const file = (given: string | undefined): string | undefined =>
      given === undefined ? undefined : resolve(this.#context.folder, given)
    const tls = { caFile: file(caFile), certFile: file(certFile), keyFile: file(keyFile) }
    const tlsKey = TLS_KEYS.find((key) => entry[key] !== undefined)
    const access = { tokenFile: file(tokenFile), tls: tlsKey === undefined ? undefined : tls }
    const { name, kind } = entry
    const address = this.#address(entry.address, index, tlsKey !== undefined)
    if (tlsKey === undefined && tokenFile === undefined) return { name, kind, address }
    this.#checkAccess(address, access, { tlsKey, index })
    return { name, kind, address, access }
  }

  /** What can be found out without a connection. */
  #checkAccess(
    address: string,
    { tls, tokenFile }: AccessOptions,
    { tlsKey, index }: { readonly tlsKey: string | undefined; readonly index: number },
  ): void {
    const usable = (path: Path, access: AccessOptions): Access | undefined =>
      this.#attempt(path, () => asMistake(() => new Access(address, access)))
    if (tlsKey !== undefined && usable(['participants', index, tlsKey], { tls }) === undefined) return
    const path = ['participants', index, 'token_file']
    if (tokenFile === undefined || usable(path, { tls, tokenFile }) === undefined) return
    const { warning } = readTokenFile(tokenFile)
    if (warning !== undefined) this.#context.warning(path, warning)
  }

  #address(address: Address, index: number, isSecure: boolean): string {
    const path = ['participants', index, 'address']
    if (address.kind === 'unix') {
      const socket = resolve(this.#context.folder, address.path)
      this.#attempt(path, () => checkSocketPath(socket))
      return formatAddress({ kind: 'unix', path: socket })
    }
    if (!isLocal(address) && !isSecure && !this.#context.insecure()) {
      this.#context.mistake(
        path,
        `${formatAddress(address)} is on another machine, and would be called in plain text: give tls_ca_file, the authority ` +
          "of that participant's certificate; or use a loopback address or a unix socket, or say --insecure",
      )
    }
    return formatAddress(address)
  }

  /** Whether the participant takes what its entry says, one key after the other; nothing is opened. */
  #checkOptions(name: string, resource: BuiltInResource, { key, index }: Place): void {
    const unset = { statements: undefined, poolSize: undefined }
    const steps = [
      [key, { ...resource, ...unset }],
      ['pool_size', { ...resource, statements: undefined }],
      ['statements', resource],
    ] as const
    for (const [at, part] of steps) {
      const opened = this.#attempt(['participants', index, at], () => openable(name, part))
      if (opened === undefined) return
    }
  }

  #checkUnique(seen: Map<string, string>, key: string, path: Path, text: (first: string) => string): void {
    const first = seen.get(key)
    if (first === undefined) seen.set(key, `participants[${String(path[1])}]`)
    else this.#context.mistake(path, text(first))
  }

  #attempt<Value>(path: Path, run: () => Value): Value | undefined {
    try {
      return run()
    } catch (error) {
      if (!(error instanceof Mistake)) throw error
      this.#context.mistake(path, error.message)
      return undefined
    }
  }
}

type ListeningEntry = Extract<ParticipantEntry, { kind: 'grpc' }>

const TLS_KEYS = ['tls_ca_file', 'tls_cert_file', 'tls_key_file'] as const

interface Place {
  readonly key: 'file' | 'url' | 'url_file'
  readonly index: number
}

/** The key that says where the resource is. */
function locatingKey(entry: Exclude<ParticipantEntry, { kind: 'grpc' }>): Place['key'] {
  if ('file' in entry) return 'file'
  return entry.url_file === undefined ? 'url' : 'url_file'
}

/** Throws a Mistake where `run` throws. */
function asMistake<Value>(run: () => Value): Value {
  try {
    return run()
  } catch (error) {
    throw new Mistake(PledgedError.from(error).message)
  }
}

/** Throws a Mistake where it isn't. */
function openable(name: string, resource: BuiltInResource): true {
  asMistake(() => openParticipant(name, resource))
  return true
}
