/**
 * The daemon's configuration, checked whole: flags over environment over file over defaults, and one error that
 * lists every mistake with the place where it was made.
 */
import { dirname, resolve } from 'node:path'
import { messageOf } from '../base/errors.ts'
import { defaultLimits, type Limits } from '../base/limits.ts'
import { readSmallFile } from '../base/small-file.ts'
import { type ConfigurationDocument, type Path, readConfigurationDocument } from './configuration-document.ts'
import { type ConfiguredParticipant, readEntries } from './configuration-participants.ts'
import { type CheckedContent, checkContent } from './configuration-schema.ts'
import {
  isGuarded,
  readSecurity,
  type Security,
  type SecurityContext,
  type TlsFile,
} from './configuration-security.ts'
import type { DaemonOptions, Environment } from './options.ts'
import { SETTINGS, type Setting, type Settings, variableOf } from './settings.ts'
import {
  type Address,
  checkSocketPath,
  configurationError,
  formatAddress,
  isLocal,
  Mistake,
  parseChoice,
} from './values.ts'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export type { ConfiguredParticipant }

/** All paths are absolute. */
export interface Configuration {
  readonly configFile: string | undefined
  readonly listen: Address
  readonly httpListen: Address
  readonly dataDirectory: string
  readonly limits: Limits
  readonly logLevel: LogLevel
  readonly security: Security
  readonly participants: readonly ConfiguredParticipant[]
  /** What is allowed, and isn't wise: a sentence each. */
  readonly warnings: readonly string[]
}

const CONFIGURATION_BYTES_MAX = 16 << 20

/** Throws CONFIGURATION with all mistakes. Nothing is opened, bound or made. */
export function checkConfiguration(options: DaemonOptions, env: Environment): Configuration {
  return new Checking(options, env).configuration()
}

/** Where a value came from, as a message names it, and what its relative paths are relative to. */
interface Origin {
  readonly where: string
  readonly folder: string
}

interface Sourced<Value> {
  readonly value: Value
  readonly origin: Origin
}

class Checking {
  readonly #options: DaemonOptions
  readonly #env: Environment
  readonly #configFile: string | undefined
  /** With the line, for those of the file: they are told in its order, after the flags and the environment. */
  readonly #mistakes: { readonly line: number; readonly text: string }[] = []
  readonly #warnings: string[] = []
  readonly #document: ConfigurationDocument | undefined
  readonly #content: CheckedContent

  constructor(options: DaemonOptions, env: Environment) {
    this.#options = options
    this.#env = env
    const file = options.configFile ?? given(env['PLEDGED_CONFIG'])
    this.#configFile = file === undefined ? undefined : resolve(file)
    this.#document = this.#configFile === undefined ? undefined : this.#read(this.#configFile)
    this.#content = checkContent(this.#document?.content ?? {})
    this.#takeFileMistakes()
  }

  configuration(): Configuration {
    const security = this.#security()
    const listen = this.#address('listen', security)
    const httpListen = this.#address('httpListen', security)
    this.#checkDistinct(listen, httpListen)
    const dataDirectory = this.#resolved(this.#setting('dataDirectory'))
    const configuration: Configuration = {
      configFile: this.#configFile,
      listen: listen.value,
      httpListen: httpListen.value,
      dataDirectory,
      limits: this.#limits(),
      logLevel: this.#logLevel(),
      security,
      participants: this.#participants(dataDirectory),
      warnings: this.#warnings,
    }
    if (this.#mistakes.length === 0) return configuration
    const told = this.#mistakes.toSorted((left, right) => left.line - right.line).map(({ text }) => text)
    throw configurationError([...new Set(told)])
  }

  #read(file: string): ConfigurationDocument | undefined {
    try {
      return readConfigurationDocument(readSmallFile(file, CONFIGURATION_BYTES_MAX).text, this.#env)
    } catch (error) {
      this.#mistake(`${file}: the configuration file can not be read: ${messageOf(error)}`)
      return undefined
    }
  }

  #takeFileMistakes(): void {
    for (const { path, line, text } of this.#document?.mistakes ?? []) this.#mistakeInFile(path, text, line)
    for (const { path, text } of this.#content.mistakes) this.#mistakeUnlessTold(path, text)
  }

  #limits(): Limits {
    const value = <Name extends keyof Settings>(name: Name): Settings[Name] => this.#setting(name).value
    return {
      ...defaultLimits,
      transactionsInFlightMax: value('transactionsInFlightMax'),
      branchesPerTransactionMax: value('branchesPerTransactionMax'),
      workBytesMax: value('workBytesMax'),
      messageBytesMax: value('messageBytesMax'),
      sessionsMax: value('sessionsMax'),
      participantsMax: value('participantsMax'),
      connectionsMax: value('connectionsMax'),
      prepareTimeoutMs: value('prepareTimeoutMs'),
      idleTimeoutMs: value('idleTimeoutMs'),
      drainTimeoutMs: value('drainTimeoutMs'),
      orphanGraceMs: value('orphanGraceMs'),
      retentionMs: value('retentionMs'),
    }
  }

  #setting<Name extends keyof Settings>(name: Name): Sourced<Settings[Name]> {
    const setting: Setting<Settings[Name]> = SETTINGS[name]
    const { flag, fallback } = setting
    const flagged = flag === undefined ? undefined : this.#options[flag.option]
    const typed = { folder: process.cwd() }
    if (flag !== undefined && flagged !== undefined) {
      return this.#parse(setting, flagged, { ...typed, where: flag.name })
    }
    const variable = variableOf(setting)
    const fromEnv = given(this.#env[variable])
    if (fromEnv !== undefined) return this.#parse(setting, fromEnv, { ...typed, where: variable })
    const path = setting.path.filter((part) => part !== undefined)
    const fromFile = this.#content.values.get(path.join('.')) as Settings[Name] | undefined
    if (fromFile !== undefined) return { value: fromFile, origin: this.#inFile(path) }
    const byDefault = { ...typed, where: `the default of ${path.join('.')}` }
    const instead = name === 'httpListen' ? this.#options.httpListenDefault : undefined
    return instead === undefined
      ? { value: fallback, origin: byDefault }
      : this.#parse(setting, instead, byDefault)
  }

  #parse<Value>(setting: Setting<Value>, raw: unknown, origin: Origin): Sourced<Value> {
    return { value: this.#attempt(origin, () => setting.parse(raw)) ?? setting.fallback, origin }
  }

  #security(): Security {
    const file = (name: 'tlsCertFile' | 'tlsKeyFile' | 'tlsClientCaFile'): TlsFile | undefined => {
      const { value, origin } = this.#setting(name)
      if (value === undefined) return undefined
      const mistake = (text: string): void => this.#mistake(`${origin.where}: ${text}`, origin)
      const warning = (text: string): void => void this.#warnings.push(`${origin.where}: ${text}`)
      return { file: resolve(origin.folder, value), mistake, warning }
    }
    const files = {
      certFile: file('tlsCertFile'),
      keyFile: file('tlsKeyFile'),
      clientCaFile: file('tlsClientCaFile'),
    }
    return readSecurity(files, this.#content.auth, this.#sectionContext())
  }

  #sectionContext(): SecurityContext {
    return {
      folder: this.#inFile([]).folder,
      mistake: (path, text) => this.#mistakeUnlessTold(path, text),
      warning: (path, text) => this.#warnings.push(`${this.#inFile(path).where}: ${text}`),
    }
  }

  #address(name: 'listen' | 'httpListen', security: Security): Sourced<Address> {
    const { value, origin } = this.#setting(name)
    if (value.kind === 'unix') {
      const path = resolve(origin.folder, value.path)
      this.#attempt(origin, () => checkSocketPath(path))
      return { value: { kind: 'unix', path }, origin }
    }
    this.#checkReach(name, { value, origin }, security)
    return { value, origin }
  }

  /** Nobody listens to the world by an oversight. */
  #checkReach(name: 'listen' | 'httpListen', { value, origin }: Sourced<Address>, security: Security): void {
    if (isLocal(value) || this.#insecure()) return
    const address = formatAddress(value)
    if (!isGuarded(security)) {
      this.#mistake(`${origin.where}: ${unguarded(address, security)}`, origin)
    } else if (name === 'httpListen') {
      this.#warnings.push(
        `${origin.where}: whoever reaches ${address} is told, without being asked who they are, whether requests are taken on and why not`,
      )
    }
  }

  #checkDistinct(listen: Sourced<Address>, http: Sourced<Address>): void {
    const address = formatAddress(http.value)
    if (formatAddress(listen.value) !== address || address.endsWith(':0')) return
    this.#mistake(
      `${http.origin.where}: ${address} is the address of listen: the probes need one of their own`,
      http.origin,
    )
  }

  #insecure(): boolean {
    if (this.#options.insecure !== undefined) return this.#options.insecure
    const value = given(this.#env['PLEDGED_INSECURE'])
    const choice = this.#attempt({ where: 'PLEDGED_INSECURE', folder: '' }, () =>
      value === undefined ? 'false' : parseChoice(value, ['1', 'true', '0', 'false']),
    )
    return choice === '1' || choice === 'true'
  }

  #logLevel(): LogLevel {
    const flag = this.#options.logLevel
    const value = flag ?? given(this.#env['PLEDGED_LOG_LEVEL'])
    if (value === undefined) return 'info'
    const origin = { where: flag === undefined ? 'PLEDGED_LOG_LEVEL' : '--log-level', folder: '' }
    return this.#attempt(origin, () => parseChoice(value, LOG_LEVELS)) ?? 'info'
  }

  #participants(dataDirectory: string): ConfiguredParticipant[] {
    return readEntries(this.#content.participants, {
      ...this.#sectionContext(),
      dataDirectory,
      insecure: () => this.#insecure(),
    })
  }

  #resolved({ value, origin }: Sourced<string>): string {
    return resolve(origin.folder, value)
  }

  #inFile(path: Path, line = this.#document?.lineOf(path) ?? 1): Origin & { readonly line: number } {
    const file = this.#configFile ?? ''
    const place = path.length === 0 ? '' : ` ${formatPath(path)}`
    return { where: `${file}:${line}${place}`, folder: dirname(file), line }
  }

  #attempt<Value>(origin: Origin, run: () => Value): Value | undefined {
    try {
      return run()
    } catch (error) {
      if (!(error instanceof Mistake)) throw error
      this.#mistake(`${origin.where}: ${error.message}`, origin)
      return undefined
    }
  }

  /** What is wrong with a value that could not be filled in is known already. */
  #mistakeUnlessTold(path: Path, text: string): void {
    const told = this.#document?.mistakes.some((mistake) => formatPath(mistake.path) === formatPath(path))
    if (told !== true) this.#mistakeInFile(path, text)
  }

  #mistakeInFile(path: Path, text: string, line?: number): void {
    const origin = this.#inFile(path, line)
    this.#mistake(`${origin.where}: ${text}`, origin)
  }

  #mistake(text: string, origin: Origin & { readonly line?: number } = { where: '', folder: '' }): void {
    this.#mistakes.push({ line: origin.line ?? 0, text })
  }
}

function unguarded(address: string, { tls, auth }: Security): string {
  const missing = [
    ...(tls === undefined ? ['tls (cert_file and key_file)'] : []),
    ...(auth === undefined ? ['auth (tokens, or certificates with tls.client_ca_file)'] : []),
  ].join(' and ')
  return `${address} can be reached from other machines: add ${missing}, listen on a loopback address or a unix socket, or say --insecure`
}

/** A variable that is set to nothing is not set. */
function given(value: string | undefined): string | undefined {
  return value === '' ? undefined : value
}

/** `participants[1].file` */
function formatPath(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else text += text === '' ? part : `.${part}`
  }
  return text
}
