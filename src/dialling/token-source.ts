/** The token in its file, read again when the file is another one. */
import { defaultLimits } from '../base/limits.ts'
import { fingerprintOf, readTokenFile } from '../serving/index.ts'

export class TokenSource {
  readonly #file: string
  #fingerprint: string
  #token: string
  #lookedMs: number

  /** Throws CONFIGURATION, with the file and what is wrong with it. */
  constructor(file: string) {
    this.#file = file
    // In this order, so that what is written in between is seen by the next look.
    this.#fingerprint = fingerprintOf(file)
    this.#token = readToken(file)
    this.#lookedMs = performance.now()
  }

  /** While the file is gone, or isn't a token any more, it is the last that was one: it is the other side that judges. */
  current(): string {
    const nowMs = performance.now()
    // Not for every call: a client makes thousands in the time in which a person replaces a file.
    if (nowMs - this.#lookedMs < defaultLimits.secretsLookMs) return this.#token
    this.#lookedMs = nowMs
    const fingerprint = fingerprintOf(this.#file)
    if (fingerprint === this.#fingerprint) return this.#token
    try {
      this.#token = readToken(this.#file)
      this.#fingerprint = fingerprint
    } catch {
      // Half written, or being replaced: the next look reads it again.
    }
    return this.#token
  }
}

/** Where two are good, because one replaces the other, either will do. */
function readToken(file: string): string {
  const [token = ''] = readTokenFile(file).tokens
  return token
}
