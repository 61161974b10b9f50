/**
 * What a server shows of itself, and what it wants to be shown. With `clientCaFile` nobody gets past the handshake who has no
 * certificate of that authority.
 *
 * grpc-js has a provider that reads the files again as well, but it takes over whatever it finds: with a key that doesn't belong
 * to the certificate, which is what a rotation looks like half-way, it drops every connection. Here the files are taken over
 * together and whole, or not at all.
 */
import { constants } from 'node:crypto'
import { statSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { ServerCredentials } from '@grpc/grpc-js'
import { messageOf } from '../base/errors.ts'
import { defaultLimits } from '../base/limits.ts'
import { exposureOf } from '../base/small-file.ts'
import { pemMistake, readCertificates, readKeyPair } from './pem-files.ts'
import { fingerprintOf, NOT_A_FILE, WatchedFiles } from './watched-files.ts'

/** PEM files. */
export interface ServerTls {
  /** The server's certificate first, then those between it and its authority. */
  readonly certFile: string
  readonly keyFile: string
  /** The authority of those who may connect. */
  readonly clientCaFile?: string | undefined
}

export interface RotationOptions {
  /** How often the files are looked at. */
  readonly everyMs?: number | undefined
  /** The files were taken over, or why they weren't: a sentence. */
  readonly tell?: ((rotation: Rotation) => void) | undefined
}

export type Rotation =
  | { readonly type: 'taken'; readonly text: string }
  | { readonly type: 'refused'; readonly text: string }

/** Nothing but the handshake itself decides who comes in: a resumed one would let in an expired certificate. */
const SECURE_OPTIONS = constants.SSL_OP_NO_TICKET

/** Undefined: plain text. Throws CONFIGURATION, with the file and what is wrong with it. */
export function serverCredentials(
  tls: ServerTls | undefined,
  options: RotationOptions = {},
): ServerCredentials {
  return tls === undefined ? ServerCredentials.createInsecure() : new RotatingCredentials(tls, options)
}

export interface ServerTlsWarnings {
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
}

/** Throws CONFIGURATION, with the file and what is wrong with it. Returns what is allowed, and isn't wise: a sentence each. */
export function checkServerTls(tls: ServerTls): ServerTlsWarnings {
  readContext(tls)
  const { certFile, keyFile } = tls
  const { validTo } = readKeyPair(tls).certificate
  return {
    certFile:
      Date.parse(validTo) < Date.now()
        ? `the certificate in ${certFile} has expired (${validTo}), and clients will refuse it: replace it and its key`
        : undefined,
    keyFile: exposureOf(keyFile, statSync(keyFile).mode, 'a private key'),
  }
}

class RotatingCredentials extends ServerCredentials {
  readonly #tls: ServerTls
  readonly #options: RotationOptions
  readonly #files: WatchedFiles

  constructor(tls: ServerTls, options: RotationOptions) {
    const required = tls.clientCaFile !== undefined
    const files = new WatchedFiles({
      files: filesOf(tls),
      everyMs: options.everyMs ?? defaultLimits.secretsLookMs,
      changed: () => this.#rotate(),
    })
    super({ requestCert: required, rejectUnauthorized: required }, readContext(tls))
    this.#tls = tls
    this.#options = options
    this.#files = files
  }

  /** grpc-js adds one with each address that is bound, and takes it away when that is closed. */
  override _addWatcher(watcher: Parameters<ServerCredentials['_addWatcher']>[0]): void {
    // oxlint-disable-next-line no-underscore-dangle -- grpc-js's name
    super._addWatcher(watcher)
    this.#files.start()
  }

  override _removeWatcher(watcher: Parameters<ServerCredentials['_addWatcher']>[0]): void {
    // oxlint-disable-next-line no-underscore-dangle -- grpc-js's name
    super._removeWatcher(watcher)
    if (this.getWatcherCount() === 0) this.#files.stop()
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other
  }

  #rotate(): void {
    const { tell } = this.#options
    const names = filesOf(this.#tls).join(', ')
    try {
      this.updateSecureContextOptions(readContext(this.#tls))
      tell?.({ type: 'taken', text: `${names}: new connections are served with what is there now` })
    } catch (error) {
      const why = `what was read before stays in use: ${messageOf(error)}`
      tell?.({ type: 'refused', text: why })
    }
  }
}

function filesOf({ certFile, keyFile, clientCaFile }: ServerTls): string[] {
  return clientCaFile === undefined ? [certFile, keyFile] : [certFile, keyFile, clientCaFile]
}

function readContext(tls: ServerTls): SecureContextOptions {
  for (const file of filesOf(tls))
    if (fingerprintOf(file) === NOT_A_FILE)
      throw pemMistake(file, 'is no file, a pipe perhaps: it is read again when it is replaced')
  const { certFile, keyFile, clientCaFile } = tls
  const { cert, key } = readKeyPair({ certFile, keyFile })
  const ca = clientCaFile === undefined ? undefined : readCertificates(clientCaFile).pem
  const context = { cert, key, ...(ca !== undefined && { ca }), secureOptions: SECURE_OPTIONS }
  try {
    createSecureContext(context)
  } catch (error) {
    throw pemMistake(certFile, `can not be used with ${keyFile}: ${messageOf(error)}`, error)
  }
  return context
}
