import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ServerCredentials, type ServiceDefinition, status } from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import { systemTimers, type Timers } from '../base/ports.ts'
import { behind } from './authenticated-call.ts'
import { bind } from './bind.ts'
import { BoundedServer, type ServerLimits } from './bounded-server.ts'
import { serverCredentials } from './server-credentials.ts'
import { shutDown } from './shutdown.ts'
import { testAuthority } from './test-certificates.ts'

const LONG_MS = 600_000
/** Each of its timers is known by its time. */
const LIMITS: ServerLimits = {
  connectionsMax: 100,
  crowdedToldMs: 1_000,
  callsPerConnectionMax: 100,
  firstRequestTimeoutMs: 1_001,
  refusedRequestsMax: 3,
  refusalLeavesMs: 1_002,
  requestTimeoutMs: 1_003,
  connectionIdleMs: LONG_MS,
  messageBytesMax: 1_000,
}
const WAIT = { timeout: 20_000, interval: 10 }

/** Time passes when a test says so, and not when the machine is slow. */
class TimersByHand implements Timers {
  readonly #pending = new Set<{ readonly delayMs: number; readonly fire: () => void }>()

  after(delayMs: number, fire: () => void): () => void {
    const timer = { delayMs, fire }
    this.#pending.add(timer)
    return () => this.#pending.delete(timer)
  }

  soon(run: () => void): void {
    systemTimers.soon(run)
  }

  /** Those of that time which are running. */
  running(delayMs: number): number {
    return [...this.#pending].filter((timer) => timer.delayMs === delayMs).length
  }

  fire(delayMs: number): void {
    for (const timer of this.#pending) {
      if (timer.delayMs !== delayMs) continue
      this.#pending.delete(timer)
      timer.fire()
    }
  }
}

const bytes = (buffer: Buffer): Buffer => buffer
const ECHO: ServiceDefinition = {
  say: {
    path: '/test.Echo/Say',
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
}

interface Serving {
  readonly limits?: Partial<ServerLimits>
  readonly listen?: string
  readonly credentials?: ServerCredentials
  /** Calls without a token. */
  readonly refuses?: boolean
}

interface Served {
  readonly address: string
  readonly timers: TimersByHand
  /** That there are too many. */
  readonly told: readonly string[]
  readonly end: () => Promise<void>
}

/** A server that echoes. */
async function serve(serving: Serving = {}): Promise<Served> {
  const { limits, listen = '127.0.0.1:0', credentials, refuses } = serving
  const timers = new TimersByHand()
  const told: string[] = []
  const door = behind({
    admit: ({ metadata }) => {
      if (metadata.get('authorization').length === 0) throw new PledgedError('UNAUTHENTICATED', 'who calls?')
    },
    toStatus: () => ({ code: status.UNAUTHENTICATED, details: 'who calls?' }),
  })
  const server = new BoundedServer({
    limits: { ...LIMITS, ...limits },
    timers,
    crowded: (reason) => void told.push(reason),
    grpc: refuses === true ? { interceptors: [door] } : {},
  })
  server.addService(ECHO, {
    say: (call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) =>
      callback(null, call.request),
  })
  onTestFinished(() => shutDown(server, 0, systemTimers))
  const address = await bind(server, listen, credentials ?? ServerCredentials.createInsecure())
  return { address, timers, told, end: () => shutDown(server, LONG_MS, systemTimers) }
}

/** A bare socket; `gone` once the server has closed it. */
function dial(address: string): { readonly socket: Socket; readonly gone: () => boolean } {
  const [host, port] = address.split(':')
  const socket = connect(Number(port), host ?? '')
  let gone = false
  socket.on('error', () => {})
  socket.on('close', () => {
    gone = true
  })
  socket.resume()
  onTestFinished(() => void socket.destroy())
  return { socket, gone: () => gone }
}

function speak(address: string): ClientHttp2Session {
  const session = connectHttp2(`http://${address}`)
  session.on('error', () => {})
  onTestFinished(() => session.destroy())
  return session
}

interface Asking {
  readonly headers?: Readonly<Record<string, string>>
  /** The whole message, unless it is cut. */
  readonly sends?: Buffer
  readonly ends?: boolean
}

const MESSAGE = Buffer.from([0, 0, 0, 0, 2, 1, 2])

function ask(
  session: ClientHttp2Session,
  { headers, sends = MESSAGE, ends = true }: Asking = {},
): { readonly stream: ClientHttp2Stream; readonly status: Promise<number | undefined> } {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/test.Echo/Say',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  })
  stream.on('error', () => {})
  stream.resume()
  const answered = new Promise<number | undefined>((resolve) => {
    const look = (fields: { 'grpc-status'?: unknown }) => {
      if (fields['grpc-status'] !== undefined) resolve(Number(fields['grpc-status']))
    }
    stream.on('response', look)
    stream.on('trailers', look)
    stream.on('close', () => resolve(undefined))
  })
  stream.write(sends)
  if (ends) stream.end()
  return { stream, status: answered }
}

const { firstRequestTimeoutMs, refusedRequestsMax, refusalLeavesMs, requestTimeoutMs } = LIMITS

describe('a stranger', () => {
  it('who says nothing is cut, and so is one who says nothing that is a request', async () => {
    const { address, timers } = await serve()
    const silent = dial(address)
    const babbling = speak(address)
    const unfinished = speak(address)
    const half = ask(unfinished, { sends: MESSAGE.subarray(0, 3), ends: false })
    await vi.waitFor(() => expect(timers.running(requestTimeoutMs)).toBe(1), WAIT)
    await vi.waitFor(() => expect(timers.running(firstRequestTimeoutMs)).toBe(3), WAIT)
    timers.fire(firstRequestTimeoutMs)
    await vi.waitFor(
      () => expect(silent.gone() && babbling.destroyed && unfinished.destroyed).toBe(true),
      WAIT,
    )
    expect(await half.status).toBeUndefined()
    await vi.waitFor(() => expect(timers.running(requestTimeoutMs)).toBe(0), WAIT)
  })

  it('whose request is served is none any more', async () => {
    const { address, timers } = await serve()
    const known = speak(address)
    expect(await ask(known).status).toBe(status.OK)
    const silent = dial(address)
    await vi.waitFor(() => expect(timers.running(firstRequestTimeoutMs)).toBe(1), WAIT)
    timers.fire(firstRequestTimeoutMs)
    await vi.waitFor(() => expect(silent.gone()).toBe(true), WAIT)
    expect(await ask(known).status).toBe(status.OK)
  })

  it('is refused only so often, and told so', async () => {
    const { address, timers } = await serve({ refuses: true })
    const session = speak(address)
    const statuses = Array.from({ length: refusedRequestsMax }, () => ask(session).status)
    expect(new Set(await Promise.all(statuses))).toEqual(new Set([status.UNAUTHENTICATED]))
    expect(timers.running(firstRequestTimeoutMs)).toBe(0)
    timers.fire(refusalLeavesMs)
    await vi.waitFor(() => expect(session.destroyed).toBe(true), WAIT)
  })

  it('may be refused as often as it likes once it is known', async () => {
    const { address, timers } = await serve({ refuses: true })
    const session = speak(address)
    expect(await ask(session, { headers: { authorization: 'Bearer any' } }).status).toBe(status.OK)
    for (let count = 0; count < 2 * refusedRequestsMax; count += 1)
      expect(await ask(session).status).toBe(status.UNAUTHENTICATED)
    expect(timers.running(refusalLeavesMs)).toBe(0)
  })

  it('who is stuck in a handshake is cut, and plain text is not TLS', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pledged-bounded-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const authority = await testAuthority(folder)
    const { certFile, keyFile } = await authority.issueForLocalhost()
    const { address, timers } = await serve({ credentials: serverCredentials({ certFile, keyFile }) })
    expect(await ask(speak(address)).status).toBeUndefined()
    await vi.waitFor(() => expect(timers.running(firstRequestTimeoutMs)).toBe(0), WAIT)
    const known = connectHttp2(`https://${address}`, { ca: authority.ca })
    onTestFinished(() => known.destroy())
    expect(await ask(known).status).toBe(status.OK)
    expect(timers.running(firstRequestTimeoutMs)).toBe(0)
    const stuck = dial(address)
    // The first bytes of a ClientHello that never comes.
    stuck.socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]))
    await vi.waitFor(() => expect(timers.running(firstRequestTimeoutMs)).toBe(1), WAIT)
    timers.fire(firstRequestTimeoutMs)
    await vi.waitFor(() => expect(stuck.gone()).toBe(true), WAIT)
    expect(await ask(known).status).toBe(status.OK)
  })

  it('over a unix socket is none', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pledged-bounded-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 's')
    const { timers } = await serve({ listen: `unix:${path}`, refuses: true })
    const session = connectHttp2('http://localhost', { createConnection: () => connect(path) })
    onTestFinished(() => session.destroy())
    expect(await ask(session).status).toBe(status.UNAUTHENTICATED)
    expect(timers.running(firstRequestTimeoutMs)).toBe(0)
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })
})

describe('too many connections', () => {
  it('are at the cost of the oldest stranger', async () => {
    const { address, timers } = await serve({ limits: { connectionsMax: 2 } })
    const known = speak(address)
    expect(await ask(known).status).toBe(status.OK)
    const older = dial(address)
    await vi.waitFor(() => expect(timers.running(firstRequestTimeoutMs)).toBe(1), WAIT)
    const newer = speak(address)
    expect(await ask(newer).status).toBe(status.OK)
    await vi.waitFor(() => expect(older.gone()).toBe(true), WAIT)
    expect(await ask(known).status).toBe(status.OK)
  })

  it('are turned away when all are at work, until one has gone', async () => {
    const { address, timers, told } = await serve({ limits: { connectionsMax: 1 } })
    const known = speak(address)
    expect(await ask(known).status).toBe(status.OK)
    expect(told).toEqual([])
    for (let count = 0; count < 3; count += 1) expect(await ask(speak(address)).status).toBeUndefined()
    expect(told).toEqual([expect.stringMatching(/^limits\.connections \(1\) is reached/)])
    timers.fire(LIMITS.crowdedToldMs)
    expect(await ask(speak(address)).status).toBeUndefined()
    expect(told).toHaveLength(2)
    expect(await ask(known).status).toBe(status.OK)
    known.destroy()
    await vi.waitFor(async () => expect(await ask(speak(address)).status).toBe(status.OK), WAIT)
  })
})

describe('a connection at work', () => {
  it('is told when a request does not come whole, and goes on', async () => {
    const { address, timers } = await serve()
    const session = speak(address)
    expect(await ask(session).status).toBe(status.OK)
    const half = ask(session, { sends: MESSAGE.subarray(0, 6), ends: false })
    await vi.waitFor(() => expect(timers.running(requestTimeoutMs)).toBe(1), WAIT)
    timers.fire(requestTimeoutMs)
    expect(await half.status).toBe(status.DEADLINE_EXCEEDED)
    expect(await ask(session).status).toBe(status.OK)
    expect(timers.running(requestTimeoutMs)).toBe(0)
  })

  it('is told how many calls it may have open', async () => {
    const { address } = await serve({ limits: { callsPerConnectionMax: 7 } })
    const session = speak(address)
    expect(await ask(session).status).toBe(status.OK)
    expect(session.remoteSettings.maxConcurrentStreams).toBe(7)
  })

  it('is closed when it has had no call for long', async () => {
    const { address } = await serve({ limits: { connectionIdleMs: 1 } })
    const session = speak(address)
    await vi.waitFor(() => expect(session.destroyed).toBe(true), WAIT)
  })
})

it('the end waits for a call under way, and for nobody who only is there', async () => {
  const { address, timers, end } = await serve()
  const silent = dial(address)
  const session = speak(address)
  expect(await ask(session).status).toBe(status.OK)
  const late = ask(session, { ends: false })
  await vi.waitFor(() => expect(timers.running(requestTimeoutMs)).toBe(1), WAIT)
  const ended = end()
  late.stream.end()
  expect(await late.status).toBe(status.OK)
  await ended
  await vi.waitFor(() => expect(silent.gone()).toBe(true), WAIT)
  expect(await ask(speak(address)).status).toBeUndefined()
})

it('an address that is taken, or is none, is refused with a sentence', async () => {
  const { address } = await serve()
  await expect(serve({ listen: address })).rejects.toThrow(
    /can't listen on .*: another process listens there/,
  )
  await expect(serve({ listen: 'no-such-host.invalid:1' })).rejects.toThrow(/the name has no address/)
})
