/** A gRPC server with one method, which lets in whom a test says; not part of the program. */
import {
  Client,
  type Metadata,
  Server,
  type ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js'
import { onTestFinished } from 'vitest'
import type { Access } from './access.ts'
import { testDoor } from './test-door.ts'

const METHOD = '/test.v1.TestService/Greet'
const asItIs = (bytes: Buffer): Buffer => bytes

const service: ServiceDefinition = {
  greet: {
    path: METHOD,
    requestStream: false,
    responseStream: false,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  },
}

export interface TestServer {
  readonly address: string
  /** Cuts every connection, and listens on. */
  cut(): void
}

export interface TestServerOptions {
  readonly credentials: ServerCredentials
  /** The token that a caller has to show. */
  readonly tokenFile?: string | undefined
  /** Default: a port of 127.0.0.1. */
  readonly listen?: string | undefined
}

export async function testServer({
  credentials,
  tokenFile,
  listen = '127.0.0.1:0',
}: TestServerOptions): Promise<TestServer> {
  const door = testDoor(tokenFile)
  const server = new Server({ interceptors: door.interceptors })
  server.addService(service, {
    greet: (_call: unknown, callback: (error: null, value: Buffer) => void) =>
      callback(null, Buffer.from('hello')),
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(listen, credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)))
  })
  onTestFinished(() => {
    door.close()
    server.forceShutdown()
  })
  const address = listen.startsWith('unix:') ? listen : `127.0.0.1:${port}`
  return { address, cut: () => server.drain(address, 0) }
}

/** A client that is closed when the test ends. */
export function testClient(address: string, access: Access): Client {
  const client = new Client(address, access.channelCredentials, {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.initial_reconnect_backoff_ms': 5,
    'grpc.min_reconnect_backoff_ms': 5,
    'grpc.max_reconnect_backoff_ms': 5,
  })
  onTestFinished(() => client.close())
  return client
}

/** Rejects with gRPC's error. */
export function greet(client: Client, metadata: Metadata): Promise<string> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 20_000
    client.makeUnaryRequest(
      METHOD,
      asItIs,
      asItIs,
      Buffer.alloc(0),
      metadata,
      { deadline },
      (error: ServiceError | null, value) => {
        if (error === null) resolve(String(value))
        else reject(error)
      },
    )
  })
}
