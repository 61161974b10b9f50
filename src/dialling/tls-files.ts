/**
 * A client's TLS files, taken over together and whole when one of them has changed, or not at all: half-way through a rotation the
 * key doesn't belong to the certificate.
 */
import { createSecureContext, type SecureContext } from 'node:tls'
import { messageOf, PledgedError } from '../base/errors.ts'
import { fingerprintOf, type KeyPair, readCertificates, readKeyPair } from '../serving/index.ts'

/** PEM files. `{}`: TLS, with the authorities that Node.js trusts, and no certificate of one's own. */
export interface ClientTls {
  /** The authorities, one of which the other side's certificate has to come from. Default: those that Node.js trusts. */
  readonly caFile?: string | undefined
  /** One's own certificate, for a side that asks for one; then also its key. */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

interface Read {
  readonly context: SecureContext
  /** One's own. */
  readonly pair: KeyPair | undefined
}

export class TlsFiles {
  readonly #tls: ClientTls
  readonly #files: readonly string[]
  #fingerprints: string
  #read: Read
  /** Why the files, as they are now, were not taken over. */
  #trouble: string | undefined

  /** Throws CONFIGURATION, with the file and what is wrong with it. */
  constructor(tls: ClientTls) {
    this.#tls = tls
    this.#files = [tls.caFile, tls.certFile, tls.keyFile].filter((file) => file !== undefined)
    this.#fingerprints = this.#look()
    this.#read = read(tls)
  }

  /** What the files say now, or said when they could last be used. */
  get context(): SecureContext {
    const fingerprints = this.#look()
    if (fingerprints !== this.#fingerprints) this.#takeOver(fingerprints)
    return this.#read.context
  }

  /** Why no connection can be made with one's own certificate: what the other side says to it is nothing, or obscure. */
  get expiry(): string | undefined {
    const { pair } = this.#read
    if (pair === undefined || pair.certificate.validToDate.getTime() > Date.now()) return undefined
    const files = `${this.#tls.certFile} and ${this.#tls.keyFile}`
    const trouble = this.#trouble === undefined ? '' : ` (what is there now can't be used: ${this.#trouble})`
    return `this side's certificate has expired on ${pair.certificate.validToDate.toISOString()}: replace ${files}${trouble}`
  }

  #look(): string {
    return this.#files.map(fingerprintOf).join('\n')
  }

  #takeOver(fingerprints: string): void {
    try {
      this.#read = read(this.#tls)
      this.#fingerprints = fingerprints
      this.#trouble = undefined
    } catch (error) {
      this.#trouble = messageOf(error)
    }
  }
}

function read(tls: ClientTls): Read {
  const pair = pairOf(tls)
  const ca = tls.caFile === undefined ? undefined : readCertificates(tls.caFile).pem
  const context = createSecureContext({
    ...(ca !== undefined && { ca }),
    ...(pair !== undefined && { cert: pair.cert, key: pair.key }),
  })
  return { context, pair }
}

function pairOf({ certFile, keyFile }: ClientTls): KeyPair | undefined {
  if (certFile !== undefined && keyFile !== undefined) return readKeyPair({ certFile, keyFile })
  if (certFile === undefined && keyFile === undefined) return undefined
  throw new PledgedError(
    'CONFIGURATION',
    certFile === undefined
      ? `${keyFile} is the key of a certificate, and no certificate is named: name both files`
      : `${certFile} is a certificate, and its key is not named: name both files`,
  )
}
