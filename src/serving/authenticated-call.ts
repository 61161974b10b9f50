/** Puts the door before the handlers of a gRPC server: whoever isn't let in there reaches none of them. */
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js'
import type { CallHeaders } from './authentication.ts'

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0]
type Status = Parameters<ServerInterceptingCallInterface['sendStatus']>[0]

export interface Door {
  /** Lets a call in, or throws why not. The metadata is the very object that the handler will see. */
  readonly admit: (call: CallHeaders) => void
  readonly toStatus: (error: unknown) => Status
  /** The streams that are open: what let one in may be taken back while it lasts. */
  readonly streams?: Set<OpenStream> | undefined
}

export interface OpenStream {
  /** By which it was let in. */
  readonly metadata: Metadata
  /** To its handler the caller has gone; the caller is told why. */
  end(error: unknown): void
}

export function behind(door: Door): ServerInterceptor {
  return (method, call) =>
    new AuthenticatedCall(call, {
      method: method.path,
      door,
      streams: method.requestStream || method.responseStream ? door.streams : undefined,
    })
}

interface CallOptions {
  readonly method: string
  readonly door: Door
  readonly streams: Set<OpenStream> | undefined
}

/**
 * grpc-js's own class would take each message apart and put it together again, for interceptors that look at them; this
 * one looks at the headers, and hands all else through as it is.
 */
class AuthenticatedCall extends ServerInterceptingCall {
  readonly #call: ServerInterceptingCallInterface
  readonly #options: CallOptions
  #stream: OpenStream | undefined

  constructor(call: ServerInterceptingCallInterface, options: CallOptions) {
    super(call)
    this.#call = call
    this.#options = options
  }

  override start(listener: Listener): void {
    let admitted = false
    this.#call.start({
      onReceiveMetadata: (metadata) => {
        admitted = this.#admit(metadata)
        if (admitted) listener.onReceiveMetadata(metadata)
      },
      onReceiveMessage: (message) => listener.onReceiveMessage(message),
      onReceiveHalfClose: () => listener.onReceiveHalfClose(),
      onCancel: () => {
        if (this.#stream !== undefined) this.#options.streams?.delete(this.#stream)
        if (admitted) listener.onCancel()
      },
    })
  }

  override sendMetadata(metadata: Metadata): void {
    this.#call.sendMetadata(metadata)
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.#call.sendMessage(message, callback)
  }

  override sendStatus(status: Status): void {
    this.#call.sendStatus(status)
  }

  #admit(metadata: Metadata): boolean {
    const { door, method, streams } = this.#options
    const end = (error: unknown): void => this.#call.sendStatus(door.toStatus(error))
    try {
      door.admit({
        method,
        metadata,
        peer: this.#call.getPeer(),
        certificate: this.#call.getAuthContext().sslPeerCertificate,
      })
    } catch (error) {
      end(error)
      return false
    }
    // No handler sees it, and so none can write it down.
    metadata.remove('authorization')
    this.#stream = { metadata, end }
    streams?.add(this.#stream)
    return true
  }
}
