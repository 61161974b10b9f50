/**
 * A gRPC server that holds no more than it said it would: so many connections, so many calls on each, and so long for a
 * request to come. What a call may then do is its handler's to bound.
 */
import { Server, type ServerCredentials, type ServerOptions } from '@grpc/grpc-js'
import type { Limits } from '../base/limits.ts'
import type { Timers } from '../base/ports.ts'
import { watchArrivals } from './arriving-calls.ts'
import { Connections } from './connections.ts'
import type { ListenAddress } from './listen-address.ts'
import { type Listening, listenAt } from './listening.ts'

export type ServerLimits = Pick<
  Limits,
  | 'connectionsMax'
  | 'crowdedToldMs'
  | 'callsPerConnectionMax'
  | 'firstRequestTimeoutMs'
  | 'refusedRequestsMax'
  | 'refusalLeavesMs'
  | 'requestTimeoutMs'
  | 'connectionIdleMs'
  | 'messageBytesMax'
>

export interface BoundedServerOptions {
  readonly limits: ServerLimits
  readonly timers: Timers
  /** There are as many connections as there may be: a sentence for whoever can change that. */
  readonly crowded?: ((reason: string) => void) | undefined
  /** Of gRPC; its interceptors come after the one that watches what arrives. */
  readonly grpc: ServerOptions
}

export class BoundedServer extends Server {
  readonly #connections: Connections
  #listening: Listening | undefined

  constructor({ limits, timers, crowded, grpc }: BoundedServerOptions) {
    const connections = new Connections({ limits, timers, crowded })
    super({
      ...grpc,
      'grpc.max_concurrent_streams': limits.callsPerConnectionMax,
      'grpc.max_connection_idle_ms': limits.connectionIdleMs,
      interceptors: [watchArrivals({ connections, limits, timers }), ...(grpc.interceptors ?? [])],
    })
    this.#connections = connections
  }

  /** With the port that was bound, where another was asked for. Rejects with what the system says. */
  async listen(address: ListenAddress, credentials: ServerCredentials): Promise<number | undefined> {
    const injector = this.createConnectionInjector(credentials)
    try {
      this.#listening = await listenAt(address, (socket) => {
        if (this.#connections.admit(socket)) injector.injectConnection(socket)
      })
      return this.#listening.port
    } catch (error) {
      injector.destroy()
      throw error
    }
  }

  /** gRPC asks its connections to end, and doesn't know when those have that came from elsewhere: the sockets do. */
  override tryShutdown(callback: (error?: Error) => void): void {
    const gone = this.#listening?.stop() ?? Promise.resolve()
    super.tryShutdown((error) => void gone.then(() => callback(error)))
  }

  /** gRPC knows only those whose handshake is done. */
  override forceShutdown(): void {
    void this.#listening?.stop()
    super.forceShutdown()
    this.#connections.cut()
  }
}
