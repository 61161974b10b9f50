/** What a client shows to get in, and how it knows that it speaks to whom it means. */
import { type ChannelCredentials, credentials, Metadata } from '@grpc/grpc-js'
import { PledgedError } from '../base/errors.ts'
import { isLocal, parseListenAddress } from '../serving/index.ts'
import { TlsCredentials } from './tls-credentials.ts'
import { type ClientTls, TlsFiles } from './tls-files.ts'
import { TokenSource } from './token-source.ts'

export interface AccessOptions {
  /** A file with the token that is shown with each call. */
  readonly tokenFile?: string | undefined
  /** Given, TLS is spoken; without it, plain text. */
  readonly tls?: ClientTls | undefined
}

export class Access {
  /** For each channel to the address: the certificates are those in their files when it connects. */
  readonly channelCredentials: ChannelCredentials
  readonly #token: TokenSource | undefined

  /** `address`: HOST:PORT or unix:PATH. Throws CONFIGURATION where a file can't be used, or the token may not be sent. */
  constructor(address: string, { tokenFile, tls }: AccessOptions) {
    if (tokenFile !== undefined && tls === undefined) requireLocal(address, tokenFile)
    this.#token = tokenFile === undefined ? undefined : new TokenSource(tokenFile)
    this.channelCredentials =
      tls === undefined ? credentials.createInsecure() : new TlsCredentials(address, new TlsFiles(tls))
  }

  /** For one call: the metadata, with the token that is in its file now. */
  authorize(metadata = new Metadata()): Metadata {
    if (this.#token !== undefined) metadata.set('authorization', `Bearer ${this.#token.current()}`)
    return metadata
  }
}

/** Whoever listens on the way would have the token, and with it all that its owner may do. */
function requireLocal(address: string, tokenFile: string): void {
  if (isLocal(parseListenAddress(address))) return
  throw new PledgedError(
    'CONFIGURATION',
    `the token in ${tokenFile} would be sent to ${address} in plain text, for everybody on the way to read: have TLS ` +
      "spoken by naming the authority of that side's certificate (--tls-ca, PLEDGED_TLS_CA, tls_ca_file; in code tls.caFile)",
  )
}
