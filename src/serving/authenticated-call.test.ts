import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { behind, type OpenStream } from './authenticated-call.ts'
import type { CallHeaders } from './authentication.ts'

const GOOD = 'Bearer good'
const unary = '/test.Service/Ask'
const stream = '/test.Service/Talk'

let server: Server
let client: Client
let decoded: string[]
let handled: Metadata[]
let cancelled: number
let seen: CallHeaders[]
const streams = new Set<OpenStream>()

function method(path: string, isStream: boolean) {
  const asIs = (bytes: Buffer): Buffer => bytes
  return {
    path,
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: asIs,
    requestDeserialize: (bytes: Buffer) => {
      decoded.push(bytes.toString())
      return bytes
    },
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
}

beforeEach(async () => {
  decoded = []
  handled = []
  seen = []
  cancelled = 0
  const door = behind({
    admit: (call) => {
      seen.push({ ...call, metadata: call.metadata.clone() })
      if (call.metadata.get('authorization')[0] !== GOOD) throw new Error('not you')
    },
    toStatus: (error) => ({ code: status.UNAUTHENTICATED, details: (error as Error).message }),
    streams,
  })
  server = new Server({ interceptors: [door] })
  server.addService(
    { ask: method(unary, false), talk: method(stream, true) },
    {
      ask: (call: { metadata: Metadata; request: Buffer }, done: (error: null, answer: Buffer) => void) => {
        handled.push(call.metadata)
        done(null, call.request)
      },
      talk: (call: NodeJS.ReadWriteStream & { metadata: Metadata }) => {
        handled.push(call.metadata)
        call.on('data', (bytes: Buffer) => call.write(bytes))
        call.on('end', () => call.end())
        call.on('cancelled', () => (cancelled += 1))
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
})

afterEach(() => {
  client.close()
  server.forceShutdown()
})

function metadataOf(authorization: string): Metadata {
  const metadata = new Metadata()
  metadata.set('authorization', authorization)
  metadata.set('other', 'stays')
  return metadata
}

function ask(authorization: string): Promise<string> {
  const asIs = (bytes: Buffer): Buffer => bytes
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      unary,
      asIs,
      asIs,
      Buffer.from('a question'),
      metadataOf(authorization),
      (error, answer) => resolve(error === null ? String(answer) : error.details),
    )
  })
}

function talk(authorization: string) {
  const asIs = (bytes: Buffer): Buffer => bytes
  const call = client.makeBidiStreamRequest(stream, asIs, asIs, metadataOf(authorization))
  const ended = new Promise<string>((resolve) => {
    call.on('error', (error: ServiceError) => resolve(error.details))
    call.on('end', () => resolve('OK'))
  })
  return { call, ended }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1))
}

describe('a call before a door', () => {
  it('is answered where it is let in, and its handler sees nothing of what let it in', async () => {
    expect(await ask(GOOD)).toBe('a question')
    expect(handled.map((metadata) => metadata.getMap())).toMatchObject([{ other: 'stays' }])
    expect(handled[0]?.get('authorization')).toEqual([])
    expect(seen).toMatchObject([
      { method: unary, peer: expect.stringMatching(/^127\.0\.0\.1:/), certificate: undefined },
    ])
  })

  it('is refused where it is not, and no byte of its messages is decoded', async () => {
    expect(await ask('Bearer bad')).toBe('not you')
    const { call, ended } = talk('Bearer bad')
    call.write(Buffer.from('a word'))
    call.on('data', () => {})
    expect(await ended).toBe('not you')
    expect([handled, decoded]).toEqual([[], []])
  })
})

describe('a stream that is open', () => {
  it('can be ended by the door: its handler sees the caller gone, the caller why', async () => {
    const { call, ended } = talk(GOOD)
    await new Promise((resolve) => {
      call.once('data', resolve)
      call.write(Buffer.from('a word'))
    })
    expect(streams.size).toBe(1)
    for (const open of streams) open.end(new Error('not you any more'))
    expect(await ended).toBe('not you any more')
    await until(() => cancelled === 1)
    expect(streams.size).toBe(0)
  })

  it('is forgotten when it ends by itself', async () => {
    const { call, ended } = talk(GOOD)
    call.on('data', () => {})
    call.end()
    expect(await ended).toBe('OK')
    await until(() => streams.size === 0)
    const lost = talk(GOOD)
    await until(() => streams.size === 1)
    lost.call.cancel()
    await until(() => streams.size === 0)
    await lost.ended
    expect(await ask(GOOD)).toBe('a question')
    expect(streams.size).toBe(0)
  })
})
