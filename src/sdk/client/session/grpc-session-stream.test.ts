import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { afterEach, describe, expect, it } from 'vitest'
import { PledgedError } from '../../../base/errors.ts'
import type { Epoch, LogId } from '../../../base/ids.ts'
import { defaultLimits, type Limits } from '../../../base/limits.ts'
import { systemClock, systemRandom, systemTimers } from '../../../base/ports.ts'
import { Access } from '../../../dialling/index.ts'
import {
  type OpenSessionRequest,
  type OpenSessionResponse,
  TransactionServiceService,
} from '../../../wire/generated/pledged/v1/transaction_service.ts'
import {
  admissionToProto,
  goodbyeToProto,
  type ReceivedCall,
  sessionCalls,
  sessionReplyBatches,
  toStatus,
} from '../../../wire/index.ts'
import { Scope } from '../scope.ts'
import { grpcDial } from './grpc-session-stream.ts'
import { SessionClient } from './session-client.ts'
import { answerWith } from './test-session.ts'

type Stream = ServerDuplexStream<OpenSessionRequest, OpenSessionResponse>
type Reply = Parameters<ReturnType<typeof sessionReplyBatches.start>['add']>[0]

const servers: Server[] = []
const clients: SessionClient[] = []

afterEach(() => {
  for (const client of clients.splice(0)) client.close()
  for (const server of servers.splice(0)) server.forceShutdown()
})

/** What a test does with one stream; by default it admits, and answers every call with a commit. */
interface Script {
  onHello?: (stream: Stream, opened: number) => void
  onCalls?: (calls: ReceivedCall[], stream: Stream, opened: number) => void
}

async function serverWith(script: Script = {}, withSessions = true) {
  const server = new Server()
  servers.push(server)
  const seen = { opened: 0, ended: 0, cancelled: 0, hellos: [] as unknown[], batches: [] as ReceivedCall[][] }
  const { openSession, executeTransaction } = TransactionServiceService
  if (!withSessions) server.addService({ executeTransaction }, { executeTransaction: () => {} })
  else {
    server.addService(
      { openSession },
      {
        openSession: (stream: Stream) => {
          seen.opened += 1
          const opened = seen.opened
          stream.on('error', () => {})
          stream.on('cancelled', () => (seen.cancelled += 1))
          stream.on('end', () => {
            seen.ended += 1
            stream.end()
          })
          stream.on('data', ({ body }: OpenSessionRequest) => {
            if (body?.$case === 'hello') {
              seen.hellos.push(body.value)
              if (script.onHello === undefined) admit(stream)
              else script.onHello(stream, opened)
            } else if (body?.$case === 'batch') {
              const calls = sessionCalls(body.value, { caller: '' })
              seen.batches.push(calls)
              if (script.onCalls === undefined) answerAll(calls, stream)
              else script.onCalls(calls, stream, opened)
            }
          })
        },
      },
    )
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  return { address: `127.0.0.1:${port}`, seen }
}

function admit(stream: Stream): void {
  const welcome = admissionToProto({
    logId: 'k3f9qa7m2xw4' as LogId,
    epoch: '7-q3f9' as Epoch,
    workBytesMax: 1 << 20,
    batchBytesMax: 2 << 20,
    messageBytesMax: 4 << 20,
    callsMax: 1_000,
    lease: { firstSequence: 1, count: 8 },
  })
  stream.write({ body: { $case: 'welcome', value: welcome } })
}

function reply(stream: Stream, replies: Reply[]): void {
  const draft = sessionReplyBatches.start()
  for (const each of replies) draft.add(each)
  stream.write(draft.finish())
}

function answerAll(calls: ReceivedCall[], stream: Stream): void {
  const replies = calls.flatMap((call): Reply[] => {
    if (call.type === 'lease') return [{ type: 'lease', lease: { firstSequence: 500, count: call.count } }]
    if (call.type === 'enlist') return [{ type: 'enlisted', callId: call.callId }]
    if (!('callId' in call)) return []
    return [{ type: 'answer', callId: call.callId, answer: answerWith() }]
  })
  if (replies.length > 0) reply(stream, replies)
}

function clientOf(address: string, overrides: Partial<Limits> = {}): SessionClient {
  const limits = { ...defaultLimits, backoffMinMs: 1, backoffMaxMs: 20, ...overrides }
  const dial = grpcDial({ address, access: new Access(address, {}), limits, timers: systemTimers })
  const client = new SessionClient({
    address,
    dial,
    limits,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
  })
  clients.push(client)
  return client
}

function scope(timeoutMs = 10_000): Scope {
  return new Scope({ timeoutMs, clock: systemClock, timers: systemTimers })
}

function request(requestId: string, bytes = 1) {
  return {
    caller: '',
    name: { requestId, attempt: 1, firstSentTimeMs: 1 },
    branches: [{ participant: 'sink', work: new Uint8Array(bytes) }],
    waitFor: 'decision' as const,
  }
}

describe('a session over gRPC', () => {
  it('carries many calls of one turn in one message, and all of a transaction', async () => {
    const { address, seen } = await serverWith()
    const client = clientOf(address)
    const begun = await client.begin(scope())
    if (begun.end !== 'answered') throw begun.error
    expect(begun.response.xid).toBe('k3f9qa7m2xw4.7-q3f9.1')
    const branch = { participant: 'ledger', resourceId: 'r', connectionId: '9' }
    expect(await begun.response.enlist(branch, scope())).toMatchObject({ end: 'answered' })
    const { xid } = begun.response
    const committed = await client.commit({ ...request('c'), xid, preparedBranches: [branch] }, scope())
    expect(committed).toMatchObject({ end: 'answered', response: { outcome: 'committed' } })
    begun.response.acknowledge({ xid, participant: 'ledger', result: 'done' })
    const executed = await Promise.all(
      Array.from({ length: 64 }, (_, index) => client.execute(request(`e${index}`), scope())),
    )
    expect(executed.every(({ end }) => end === 'answered')).toBe(true)
    expect(seen.batches.at(-1)).toHaveLength(65)
    expect(seen.batches.flat().filter((call) => call.type === 'acknowledgement')).toHaveLength(1)
    expect(seen.hellos).toMatchObject([{ protocolVersion: 1, leaseSize: defaultLimits.leaseSize }])
    expect(seen.batches[1]?.[0]).toMatchObject({ type: 'commit', request: { preparedBranches: [branch] } })
  })

  it('is opened anew after a goodbye, under the same name, and asks nothing twice by itself', async () => {
    const { address, seen } = await serverWith({
      onCalls: (calls, stream, opened) => {
        if (opened > 1) return answerAll(calls, stream)
        stream.write({
          body: { $case: 'goodbye', value: goodbyeToProto({ reason: 'it drains', retryAfterMs: 5 }) },
        })
        stream.end()
      },
    })
    const client = clientOf(address)
    expect(await client.execute(request('a'), scope())).toMatchObject({
      end: 'lost',
      sent: true,
      error: { code: 'UNAVAILABLE', message: expect.stringMatching(/ended the session: it drains/) },
    })
    expect(await client.execute(request('a'), scope())).toMatchObject({ end: 'answered' })
    expect(seen.opened).toBe(2)
    expect(seen.hellos[1]).toEqual(seen.hellos[0])
  })

  it('ends with the connection', async () => {
    const { address } = await serverWith({ onCalls: () => servers[0]?.forceShutdown() })
    const lost = await clientOf(address).execute(request('a'), scope())
    expect(lost).toMatchObject({ end: 'lost', sent: true, error: { code: 'UNAVAILABLE' } })
  })

  it('is refused with what to do where the daemon is older than sessions', async () => {
    const { address } = await serverWith({}, false)
    expect(await clientOf(address).execute(request('a'), scope())).toMatchObject({
      end: 'refused',
      error: { code: 'NOT_IMPLEMENTED', message: expect.stringMatching(/transport: 'unary'/) },
    })
  })

  it('is tried again where the daemon refuses it for now', async () => {
    const { address, seen } = await serverWith({
      onHello: (stream, opened) => {
        if (opened > 2) admit(stream)
        else stream.emit('error', toStatus(new PledgedError('STARTING', 'it replays its log')))
      },
    })
    expect(await clientOf(address).execute(request('a'), scope())).toMatchObject({ end: 'answered' })
    expect(seen.opened).toBe(3)
  })

  it('is given up where the daemon says nothing, and dialled again', async () => {
    const { address, seen } = await serverWith({
      onHello: (stream, opened) => {
        if (opened > 1) admit(stream)
      },
    })
    const client = clientOf(address, { connectTimeoutMs: 50 })
    expect(await client.execute(request('a'), scope())).toMatchObject({ end: 'answered' })
    expect(seen.opened).toBe(2)
  })

  it('is refused for good where what answers is no coordinator', async () => {
    const { address } = await serverWith({
      onHello: (stream) =>
        stream.write({
          body: {
            $case: 'welcome',
            value: { logId: 'no', epoch: 'no', limits: undefined, lease: undefined, callsMax: 0 },
          },
        }),
    })
    expect(await clientOf(address).execute(request('a'), scope())).toMatchObject({
      end: 'refused',
      error: { code: 'INVALID_REQUEST' },
    })
  })

  it('ends where an answer is not understood: what was asked may have run', async () => {
    const { address } = await serverWith({
      onCalls: (calls, stream, opened) => {
        if (opened > 1) return answerAll(calls, stream)
        reply(stream, [{ type: 'lease', lease: { firstSequence: -4, count: 2 } }])
      },
    })
    const client = clientOf(address)
    expect(await client.execute(request('a'), scope())).toMatchObject({
      end: 'lost',
      sent: true,
      error: { code: 'INTERNAL' },
    })
    expect(await client.execute(request('a'), scope())).toMatchObject({ end: 'answered' })
  })

  it('carries more at once than may wait for the stream', async () => {
    const { address } = await serverWith()
    const client = clientOf(address, { linkQueueBytesMax: 1 << 20, batchBytesMax: 64 << 10 })
    const executed = await Promise.all(
      Array.from({ length: 40 }, (_, index) => client.execute(request(`e${index}`, 200 << 10), scope())),
    )
    expect(executed.map(({ end }) => end)).toEqual(Array.from({ length: 40 }, () => 'answered'))
  })

  it('is closed in good order: what was sent before still arrives', async () => {
    const ended = Promise.withResolvers<void>()
    const { address, seen } = await serverWith({
      onHello: (stream) => {
        admit(stream)
        stream.on('end', () => ended.resolve())
      },
    })
    const client = clientOf(address)
    const begun = await client.begin(scope())
    if (begun.end !== 'answered') throw begun.error
    begun.response.acknowledge({ xid: begun.response.xid, participant: 'ledger', result: 'unknown' })
    client.close()
    await ended.promise
    expect(seen.batches.flat()).toMatchObject([{ type: 'acknowledgement', ending: { result: 'unknown' } }])
    expect(seen.cancelled).toBe(0)
  })
})
