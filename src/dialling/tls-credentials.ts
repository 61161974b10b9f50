/**
 * TLS for a channel of gRPC's. Its own credentials hold the certificates that were there when the channel was made, and a channel
 * may outlive them by months; these take them from their files at each connection. Nor do they give an IP address as the name
 * of the server, which RFC 6066 forbids, and Node.js warns of on standard error.
 */
import { isIP, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { CallCredentials, ChannelCredentials } from '@grpc/grpc-js'
import { defaultLimits } from '../base/limits.ts'
import { parseListenAddress } from '../serving/index.ts'
import type { TlsFiles } from './tls-files.ts'

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>
type Connected = Awaited<ReturnType<SecureConnector['connect']>>

export class TlsCredentials extends ChannelCredentials {
  readonly #files: TlsFiles
  /** That the certificate has to name. */
  readonly #host: string

  constructor(address: string, files: TlsFiles) {
    super()
    this.#files = files
    const parsed = parseListenAddress(address)
    // What listens on a socket file is on this machine.
    this.#host = parsed.type === 'unix' ? 'localhost' : parsed.host
  }

  override _isSecure(): boolean {
    return true
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(
    _target: unknown,
    _options: unknown,
    callCredentials = CallCredentials.createEmpty(),
  ): SecureConnector {
    return {
      connect: (socket) => this.#secure(socket),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials,
      destroy: () => {},
    }
  }

  #secure(socket: Socket): Promise<Connected> {
    const secureContext = this.#files.context
    const { expiry } = this.#files
    if (expiry !== undefined) return Promise.reject(new Error(expiry))
    return new Promise((resolve, reject) => {
      const secured = connect({
        socket,
        secureContext,
        host: this.#host,
        ...(isIP(this.#host) === 0 && { servername: this.#host }),
        ALPNProtocols: ['h2'],
      })
      // A handshake keeps no process: whoever waits for it does. gRPC does so with what it connects by itself.
      secured.unref()
      const timeoutMs = defaultLimits.connectTimeoutMs
      // What accepts a connection and says nothing would be waited for until it goes away.
      secured.setTimeout(timeoutMs, () => secured.destroy(new Error(`no TLS handshake in ${timeoutMs} ms`)))
      secured.once('secureConnect', () => {
        secured.setTimeout(0)
        resolve({ socket: secured, secure: true })
      })
      // Those that come later are the session's, which listens as well.
      secured.on('error', reject)
      secured.once('close', () => reject(new Error('Socket closed')))
    })
  }
}
