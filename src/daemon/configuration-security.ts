/**
 * The sections `tls:` and `auth:`, with their files read: what is wrong with a file is found before anyone connects.
 */
import { resolve } from 'node:path'
import { PledgedError } from '../base/errors.ts'
import {
  BearerTokens,
  type CertificateEntry,
  checkServerTls,
  type Identity,
  readTokenFile,
  type ServerTls,
  sameIdentity,
  type TokenFile,
} from '../serving/index.ts'
import type {
  AuthSection,
  TokenEntry,
  CertificateEntry as WrittenCertificate,
} from './authentication-schema.ts'
import type { Path } from './configuration-document.ts'
import { Mistake } from './values.ts'

/** Without `auth` everyone may do everything. All paths are absolute. */
export interface Security {
  readonly tls: ServerTls | undefined
  readonly auth: ConfiguredAuth | undefined
}

export interface ConfiguredAuth {
  readonly tokens: readonly TokenFile[]
  readonly certificates: readonly CertificateEntry[]
}

export interface TlsFile {
  readonly file: string
  /** Where it is named: in the file, or in the environment. */
  readonly mistake: (text: string) => void
  readonly warning: (text: string) => void
}

export interface TlsFiles {
  readonly certFile: TlsFile | undefined
  readonly keyFile: TlsFile | undefined
  readonly clientCaFile: TlsFile | undefined
}

export interface SecurityContext {
  /** What relative paths of the configuration file are relative to. */
  readonly folder: string
  readonly mistake: (path: Path, text: string) => void
  readonly warning: (path: Path, text: string) => void
}

export function readSecurity(
  files: TlsFiles,
  section: AuthSection | undefined,
  context: SecurityContext,
): Security {
  const tls = readTls(files, context)
  const auth = section === undefined ? undefined : readAuth(section, context)
  if (section !== undefined) checkTogether(section, tls, context)
  else if (tls?.clientCaFile !== undefined)
    context.mistake(
      ['auth'],
      'is missing, and without it nobody is anyone: tls.client_ca_file lets in certificates, and auth.certificates says whose they are',
    )
  return { tls, auth }
}

/** Nobody from another machine comes in without showing who they are, over a connection that nobody else reads. */
export function isGuarded({ tls, auth }: Security): boolean {
  return tls !== undefined && auth !== undefined
}

function readTls(
  { certFile, keyFile, clientCaFile }: TlsFiles,
  context: SecurityContext,
): ServerTls | undefined {
  const given = certFile ?? keyFile ?? clientCaFile
  if (given === undefined) return undefined
  if (certFile === undefined || keyFile === undefined) {
    const missing = certFile === undefined ? 'cert_file' : 'key_file'
    context.mistake(['tls', missing], 'is missing: TLS needs cert_file and key_file, PEM files')
    return undefined
  }
  const tls = { certFile: certFile.file, keyFile: keyFile.file, clientCaFile: clientCaFile?.file }
  try {
    const warnings = checkServerTls(tls)
    if (warnings.certFile !== undefined) certFile.warning(warnings.certFile)
    if (warnings.keyFile !== undefined) keyFile.warning(warnings.keyFile)
  } catch (error) {
    const { message } = PledgedError.from(error)
    const at = [keyFile, clientCaFile].find((each) => each && message.startsWith(`${each.file} `))
    const { mistake } = at ?? certFile
    mistake(message)
  }
  return tls
}

/** Ways in that no one could take, and ones that would not say who takes them. */
function checkTogether(section: AuthSection, tls: ServerTls | undefined, context: SecurityContext): void {
  const { tokens, certificates } = section
  if (tokens.length === 0 && certificates.length === 0) {
    context.mistake(
      ['auth'],
      'names nobody, and nobody would be let in: give it tokens or certificates, or take the section out',
    )
  }
  if (certificates.length > 0 && tls?.clientCaFile === undefined) {
    context.mistake(
      ['auth', 'certificates'],
      'is of no use without tls.client_ca_file, the authority whose certificates are asked for: add it',
    )
  }
}

function readAuth(section: AuthSection, context: SecurityContext): ConfiguredAuth {
  const reader = new AuthReader(context)
  const certificates = section.certificates.flatMap((entry, index) => reader.certificate(entry, index))
  const tokens = section.tokens.flatMap((entry, index) => reader.token(entry, index))
  return { tokens, certificates }
}

class AuthReader {
  readonly #context: SecurityContext
  readonly #identities = new Map<string, Identity>()
  readonly #subjects = new Set<string>()
  readonly #tokens: TokenFile[] = []

  constructor(context: SecurityContext) {
    this.#context = context
  }

  token(entry: TokenEntry | undefined, index: number): TokenFile[] {
    if (entry === undefined) return []
    const path = ['auth', 'tokens', index]
    const identity = this.#identity(entry, path)
    const file = resolve(this.#context.folder, entry.token_file)
    const taken = { identity, file }
    const filePath = [...path, 'token_file']
    const read = this.#attempt(filePath, () => readTokenFile(file))
    if (read === undefined) return []
    if (read.warning !== undefined) this.#context.warning(filePath, read.warning)
    // What is wrong between the files, a token that stands in two of them.
    this.#attempt(filePath, () => new BearerTokens([...this.#tokens, taken]).close())
    this.#tokens.push(taken)
    return [taken]
  }

  certificate(entry: WrittenCertificate | undefined, index: number): CertificateEntry[] {
    if (entry === undefined) return []
    const path = ['auth', 'certificates', index]
    const identity = this.#identity(entry, path)
    const subject = entry.subject.toLowerCase()
    if (this.#subjects.has(subject))
      this.#context.mistake(
        [...path, 'subject'],
        `${entry.subject} is given twice: one subject is one identity`,
      )
    this.#subjects.add(subject)
    return [{ identity, subject: entry.subject }]
  }

  /** One who may come in by a token and by a certificate is the same one. */
  #identity(entry: TokenEntry | WrittenCertificate, path: Path): Identity {
    const { name, role, participant = '' } = entry
    const identity: Identity = role === 'participant' ? { name, role, participant } : { name, role }
    const same = this.#identities.get(name)
    if (same !== undefined && !sameIdentity(same, identity))
      this.#context.mistake(
        [...path, 'name'],
        `${JSON.stringify(name)} is given twice, with different roles: what belongs to an identity belongs to its name`,
      )
    this.#identities.set(name, same ?? identity)
    return identity
  }

  #attempt<Value>(path: Path, run: () => Value): Value | undefined {
    try {
      return run()
    } catch (error) {
      if (!(error instanceof PledgedError || error instanceof Mistake)) throw error
      this.#context.mistake(path, error.message)
      return undefined
    }
  }
}
