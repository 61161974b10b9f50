/**
 * Who brings which token. Of a token no more than a keyed digest stays in memory, and comparing takes the same time
 * whichever matches, or none: with a key that is drawn at each start, the digests of near misses are no nearer.
 *
 * A file holds a token, or one a line: while a token is being replaced, the old one and the new one are both good.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { messageOf, PledgedError } from '../base/errors.ts'
import { defaultLimits } from '../base/limits.ts'
import { exposureOf, readSmallFile } from '../base/small-file.ts'
import { type Identity, sameIdentity } from './identity.ts'
import type { RotationOptions } from './server-credentials.ts'
import { fingerprintOf, NOT_A_FILE, WatchedFiles } from './watched-files.ts'

export interface TokenFile {
  readonly identity: Identity
  readonly file: string
}

/** What can be guessed by trying isn't one. */
const TOKEN_LENGTH_MIN = 16
const TOKEN_LENGTH_MAX = 4_096
const TOKENS_PER_FILE_MAX = 4
const TOKEN_FILE_BYTES_MAX = 32_768
/** RFC 6750, b68token. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/

export interface ReadTokens {
  readonly tokens: readonly string[]
  /** A sentence about the file, where others than its owner and its group can read it. */
  readonly warning: string | undefined
}

/** Throws CONFIGURATION, with the file and what is wrong with it; never a token. */
export function readTokenFile(file: string): ReadTokens {
  if (fingerprintOf(file) === NOT_A_FILE)
    throw mistake(file, 'is no file, a pipe perhaps: tokens are read again when they are replaced')
  const { text, mode } = readText(file)
  const tokens = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  if (tokens.length === 0)
    throw mistake(file, `is empty: write a token of at least ${TOKEN_LENGTH_MIN} characters into it`)
  if (tokens.length > TOKENS_PER_FILE_MAX)
    throw mistake(file, `has ${tokens.length} lines: one token a line, at most ${TOKENS_PER_FILE_MAX}`)
  for (const token of tokens) checkToken(file, token)
  return { tokens, warning: exposureOf(file, mode, 'a token') }
}

function checkToken(file: string, token: string): void {
  if (token.length < TOKEN_LENGTH_MIN)
    throw mistake(
      file,
      `holds a token of ${token.length} characters; a token has at least ${TOKEN_LENGTH_MIN}: openssl rand -hex 32 makes one`,
    )
  if (token.length > TOKEN_LENGTH_MAX || !TOKEN.test(token))
    throw mistake(
      file,
      `holds what is no token: letters, digits and -._~+/ only, at most ${TOKEN_LENGTH_MAX}, nothing else on the line`,
    )
}

function readText(file: string): { readonly text: string; readonly mode: number } {
  try {
    return readSmallFile(file, TOKEN_FILE_BYTES_MAX)
  } catch (error) {
    throw mistake(file, `can not be read: ${messageOf(error)}`, error)
  }
}

interface Entry {
  readonly identity: Identity
  readonly digest: Buffer
  readonly file: string
}

export class BearerTokens {
  readonly #files: readonly TokenFile[]
  readonly #options: RotationOptions
  readonly #watched: WatchedFiles
  readonly #key = randomBytes(32)
  readonly #revoked = new WeakSet<Identity>()
  readonly #listeners = new Set<() => void>()
  #entries: readonly Entry[] = []

  /** Throws CONFIGURATION, with the file and what is wrong with it. Until `close`, the files are looked at again and again. */
  constructor(files: readonly TokenFile[], options: RotationOptions = {}) {
    this.#files = files
    this.#options = options
    this.#watched = new WatchedFiles({
      files: files.map(({ file }) => file),
      everyMs: options.everyMs ?? defaultLimits.secretsLookMs,
      changed: (changed) => this.#rotate(changed),
    })
    this.#read(files, (error) => {
      throw error
    })
    this.#watched.start()
  }

  /** Undefined: nobody has this token. */
  identify(token: string): Identity | undefined {
    const digest = this.#digest(token)
    let found: Identity | undefined
    for (const entry of this.#entries) if (timingSafeEqual(entry.digest, digest)) found = entry.identity
    return found
  }

  /** Of an identity that `identify` gave: the token that proved it is still in its file. */
  isGood(identity: Identity): boolean {
    return !this.#revoked.has(identity)
  }

  /** Called when identities that were given may not be good any more. */
  onRevoked(listener: () => void): void {
    this.#listeners.add(listener)
  }

  close(): void {
    this.#watched.stop()
  }

  /** In the place of what these files held before. */
  #read(files: readonly TokenFile[], failed: (error: unknown) => void): void {
    const entries = this.#entries.filter((entry) => files.every(({ file }) => file !== entry.file))
    for (const { identity, file } of files) {
      try {
        for (const token of readTokenFile(file).tokens)
          entries.push(checkDistinct(this.#entry(identity, token, file), entries))
      } catch (error) {
        failed(error)
      }
    }
    for (const entry of this.#entries) if (!entries.includes(entry)) this.#revoked.add(entry.identity)
    this.#entries = entries
  }

  /** The one that there is, where the token was there before: whoever has shown it goes on. */
  #entry(identity: Identity, token: string, file: string): Entry {
    const digest = this.#digest(token)
    const before = this.#entries.find((entry) => entry.file === file && entry.digest.equals(digest))
    // A copy, which stands for this token alone.
    return before ?? { identity: { ...identity }, digest, file }
  }

  /** Who takes a file away, or empties it, takes its tokens back: what can't be read now isn't good any more. */
  #rotate(changed: readonly string[]): void {
    const { tell } = this.#options
    const files = this.#files.filter(({ file }) => changed.includes(file))
    this.#read(files, (error) => tell?.({ type: 'refused', text: messageOf(error) }))
    const names = changed.join(', ')
    tell?.({ type: 'taken', text: `${names}: the tokens that are there now are good, and no others` })
    for (const listener of this.#listeners) listener()
  }

  #digest(token: string): Buffer {
    return createHmac('sha256', this.#key).update(token).digest()
  }
}

function mistake(file: string, why: string, cause?: unknown): PledgedError {
  return new PledgedError('CONFIGURATION', `${file} ${why}`, { cause })
}

/** One token can't be two identities. */
function checkDistinct(entry: Entry, others: readonly Entry[]): Entry {
  const same = others.find(({ digest }) => digest.equals(entry.digest))
  if (same === undefined || sameIdentity(same.identity, entry.identity)) return entry
  throw mistake(entry.file, `holds the same token as ${same.file}: each identity needs one of its own`)
}
