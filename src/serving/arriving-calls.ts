/**
 * Sees every call of a server come in, before anyone else does: whether it is let in, and whether what it asks comes whole
 * and in time. A stream that the client writes is its handler's to bound; it has come once its first message has.
 */
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status,
} from '@grpc/grpc-js'
import type { Limits } from '../base/limits.ts'
import type { Timers } from '../base/ports.ts'
import type { Connections } from './connections.ts'
import { isOfHealth } from './health.ts'

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0]
type Status = Parameters<ServerInterceptingCallInterface['sendStatus']>[0]

export interface ArrivalOptions {
  readonly connections: Connections
  readonly limits: Pick<Limits, 'requestTimeoutMs' | 'messageBytesMax'>
  readonly timers: Timers
}

/** The first of a server's interceptors, so that it sees what the others let in and refuse. */
export function watchArrivals(options: ArrivalOptions): ServerInterceptor {
  return (method, call) =>
    new ArrivingCall(call, {
      ...options,
      // Anybody may ask for it, and so it makes nobody known.
      proves: !isOfHealth(method.path),
      streams: method.requestStream,
    })
}

interface ArrivingCallOptions extends ArrivalOptions {
  /** Whoever is let in here is no stranger any more. */
  readonly proves: boolean
  readonly streams: boolean
}

/** grpc-js's own class would take each message apart; this one hands it through as it is. */
class ArrivingCall extends ServerInterceptingCall {
  readonly #call: ServerInterceptingCallInterface
  readonly #options: ArrivingCallOptions
  #letIn = false
  #arrived = false
  #cancelTimer: (() => void) | undefined

  constructor(call: ServerInterceptingCallInterface, options: ArrivingCallOptions) {
    super(call)
    this.#call = call
    this.#options = options
    nameTheLimit(call, options.limits.messageBytesMax)
  }

  override start(listener: Listener): void {
    this.#call.start({
      onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
      onReceiveMessage: (message) => {
        if (this.#options.streams) this.#hasArrived()
        listener.onReceiveMessage(message)
      },
      onReceiveHalfClose: () => {
        this.#hasArrived()
        listener.onReceiveHalfClose()
      },
      onCancel: () => {
        this.#cancelTimer?.()
        listener.onCancel()
      },
    })
  }

  /** Only who has let the call in reads it. */
  override startRead(): void {
    if (!this.#letIn) {
      this.#letIn = true
      if (!this.#options.streams) this.#awaitMessage()
    }
    this.#call.startRead()
  }

  override sendMetadata(metadata: Metadata): void {
    this.#call.sendMetadata(metadata)
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.#call.sendMessage(message, callback)
  }

  override sendStatus(answer: Status): void {
    this.#cancelTimer?.()
    if (!this.#letIn) this.#options.connections.refused(this.#call.getConnectionInfo())
    this.#call.sendStatus(answer)
  }

  #awaitMessage(): void {
    const { limits, timers } = this.#options
    this.#cancelTimer = timers.after(limits.requestTimeoutMs, () => {
      this.#call.sendStatus({
        code: status.DEADLINE_EXCEEDED,
        details: `the request has not come whole within ${limits.requestTimeoutMs} ms; nothing was run: send it again`,
      })
    })
  }

  #hasArrived(): void {
    if (this.#arrived) return
    this.#arrived = true
    this.#cancelTimer?.()
    if (this.#options.proves) this.#options.connections.served(this.#call.getConnectionInfo())
  }
}

/** gRPC refuses by itself what is too large, and says by how much; whoever reads that wants to know what to raise. */
function nameTheLimit(call: ServerInterceptingCallInterface, messageBytesMax: number): void {
  const send = call.sendStatus.bind(call)
  call.sendStatus = (answer) => {
    const { code, details } = answer
    const isTooLarge = code === status.RESOURCE_EXHAUSTED && details.includes('larger than')
    send(
      isTooLarge ? { ...answer, details: `${details}; limits.message_bytes is ${messageBytesMax}` } : answer,
    )
  }
}
