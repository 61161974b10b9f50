import { setImmediate as turn } from 'node:timers/promises'
import { credentials, Metadata } from '@grpc/grpc-js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PledgedError } from '../../base/errors.ts'
import { defaultLimits } from '../../base/limits.ts'
import type { Answer, GetRequest } from '../../protocol/requests.ts'
import {
  type OpenSessionRequest,
  SessionRequestBatch,
  TransactionServiceClient,
  TransactionServiceService,
} from '../../wire/generated/pledged/v1/transaction_service.ts'
import { clientOptions, greetingToProto } from '../../wire/index.ts'
import {
  called,
  committed,
  everyoneIs,
  type FakeSession,
  FIRST_LEASE,
  SESSION_HELLO,
  type Served,
  type ServeOptions,
  SessionClient,
  SilentNetwork,
  serve,
  until,
  WELCOME,
  XID,
} from './harness.ts'

const answer: Answer = { transaction: committed, replayed: false }
const branch = { participant: 'ledger', resourceId: 'db-1', connectionId: '7' }
/** Questions by request_id: `from` to `to`, each under the call_id of its number. */
const questions = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => ({
    callId: from + index,
    request: { key: { $case: 'requestId' as const, value: `r-${from + index}` } },
  }))

interface Opened {
  readonly client: SessionClient
  readonly session: FakeSession
}

async function open(served: Served): Promise<Opened> {
  const before = served.sessions.opened.length
  const client = new SessionClient(served.client.openSession())
  await until(() => client.messages.length > 0)
  const session = served.sessions.opened.at(-1)
  if (session === undefined || served.sessions.opened.length === before) throw new Error('none was opened')
  return { client, session }
}

async function answered(client: SessionClient, count: number): Promise<number[]> {
  const ids = () => client.replies().flatMap((reply) => ('callId' in reply ? [reply.callId] : []))
  await until(() => ids().length >= count)
  return ids()
}

/** That the server still does for others what it should. */
async function expectAlive(served: Served): Promise<void> {
  served.sessions.answer = async () => answer
  const { client } = await open(served)
  client.say({ gets: questions(1, 1) })
  expect(await answered(client, 1)).toEqual([1])
  client.stream.end()
  expect(await client.ended).toBe('OK')
}

/** Answers when the test says so. */
class Held {
  readonly #waiting: { readonly request: unknown; readonly resolve: (answer: Answer) => void }[] = []

  readonly answer = (_verb: unknown, request: unknown): Promise<Answer> =>
    new Promise((resolve) => this.#waiting.push({ request, resolve }))

  get requestIds(): string[] {
    return this.#waiting.map(({ request }) => (request as { requestId: string }).requestId)
  }

  release(count = this.#waiting.length): void {
    for (const { resolve } of this.#waiting.splice(0, count)) resolve(answer)
  }

  releaseLast(): void {
    this.#waiting.pop()?.resolve(answer)
  }
}

describe('OpenSession', () => {
  it('opens with hello and welcome', async () => {
    await using served = await serve({ authentication: everyoneIs('app') })
    const { client, session } = await open(served)
    expect(client.messages).toEqual([
      {
        body: {
          $case: 'welcome',
          value: {
            logId: WELCOME.logId,
            epoch: WELCOME.epoch,
            limits: {
              workBytesMax: defaultLimits.workBytesMax,
              batchBytesMax: defaultLimits.batchBytesMax,
              messageBytesMax: defaultLimits.messageBytesMax,
            },
            lease: { firstSequence: BigInt(FIRST_LEASE.firstSequence), count: FIRST_LEASE.count },
            callsMax: defaultLimits.sessionCallsMax,
          },
        },
      },
    ])
    expect(session.options).toMatchObject({ caller: 'app', clientId: 'client-1', leaseSize: 5 })
  })

  it('hands on what is asked, in its order, with its caller, its time and its trace', async () => {
    await using served = await serve({ authentication: everyoneIs('app') })
    const metadata = new Metadata()
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    metadata.set('traceparent', traceparent)
    const client = new SessionClient(served.client.openSession(metadata))
    client.say({
      enlists: [{ callId: 1, xid: XID, branch }],
      executes: [{ callId: 2, request: { branches: [{ participant: 'sink' }] }, timeoutMs: 50 }],
      commits: [{ callId: 3, request: { xid: XID, requestId: 'r', preparedBranches: [branch] } }],
      aborts: [{ callId: 4, xid: XID }],
      gets: [{ callId: 5, request: { key: { $case: 'xid', value: XID } } }],
      leaseSize: 7,
      acknowledgements: [{ xid: XID, participant: 'ledger', result: 1 }],
    })
    expect((await answered(client, 5)).toSorted((left, right) => left - right)).toEqual([1, 2, 3, 4, 5])
    const [session] = served.sessions.opened
    expect(session?.asked).toMatchObject([
      { verb: 'enlist', request: { xid: XID, branch } },
      { verb: 'execute', request: { caller: 'app', traceparent, deadlineInMs: 50 } },
      {
        verb: 'commit',
        request: {
          caller: 'app',
          xid: XID,
          name: { requestId: 'r', attempt: 1 },
          preparedBranches: [branch],
        },
      },
      { verb: 'abort', request: { caller: 'app', xid: XID } },
      { verb: 'get', request: { caller: 'app', xid: XID } },
      { verb: 'lease', request: 7 },
      { verb: 'acknowledge', request: { xid: XID, participant: 'ledger', result: 'done' } },
    ])
    const { xid, state, outcome } = committed
    const replies = client.replies()
    expect(replies).toContainEqual({ type: 'lease', lease: { firstSequence: 1_000, count: 7 } })
    expect(replies).toContainEqual({ type: 'enlisted', callId: 1 })
    for (const callId of [2, 3, 4]) {
      const answer = expect.objectContaining({ xid, state, outcome, replayed: false })
      expect(replies).toContainEqual({ type: 'answer', callId, answer })
    }
    const whole = expect.objectContaining({ transaction: committed })
    expect(replies).toContainEqual({ type: 'answer', callId: 5, answer: whole })
  })

  it('answers in whichever order, and in one message what is ready in one turn', async () => {
    await using served = await serve()
    const held = new Held()
    served.sessions.answer = held.answer
    const { client } = await open(served)
    client.say({ gets: questions(1, 200) })
    await until(() => held.requestIds.length === 200)
    expect(client.replies()).toEqual([])
    held.releaseLast()
    expect(await answered(client, 1)).toEqual([200])
    held.release()
    expect(await answered(client, 200)).toEqual([
      200,
      ...Array.from({ length: 199 }, (_, index) => index + 1),
    ])
    expect(client.cases()).toEqual(['welcome', 'batch', 'batch'])
  })

  it('refuses a call whose shape is wrong, or that the coordinator refuses, alone', async () => {
    await using served = await serve()
    served.sessions.answer = async (_verb, request) => {
      if ((request as GetRequest & { xid: string }).xid === XID)
        throw new PledgedError('NOT_OWNER', 'not yours')
      return answer
    }
    const { client } = await open(served)
    client.say({
      enlists: [{ callId: 1, xid: XID }],
      aborts: [
        { callId: 2, xid: 'x' },
        { callId: 3, xid: XID },
      ],
      gets: [{ callId: 4 }, ...questions(5, 5)],
    })
    await answered(client, 5)
    const said = client
      .replies()
      .flatMap((reply) =>
        reply.type === 'refusal' ? [`${reply.callId} ${reply.error.code}: ${reply.error.message}`] : [],
      )
      .toSorted()
    expect(said).toEqual([
      expect.stringMatching(/^1 INVALID_REQUEST: branch is missing/),
      expect.stringMatching(/^2 MALFORMED_XID: "x" is not an xid/),
      '3 NOT_OWNER: not yours',
      expect.stringMatching(/^4 INVALID_REQUEST: request is missing/),
    ])
    expect(client.replies()).toContainEqual(expect.objectContaining({ type: 'answer', callId: 5 }))
  })

  it('answers with INTERNAL what the coordinator throws, and lives on', async () => {
    await using served = await serve()
    served.sessions.answer = () => {
      throw new TypeError('a bug')
    }
    const { client } = await open(served)
    client.say({ gets: questions(1, 1) })
    await answered(client, 1)
    expect(client.replies()).toMatchObject([
      { type: 'refusal', error: { code: 'INTERNAL', message: 'a bug' } },
    ])
    await expectAlive(served)
  })

  it('says nothing before the welcome, which waits for the first lease', async () => {
    await using served = await serve()
    let admit = () => {}
    served.sessions.admit = (session) => {
      admit = () => session.options.listener.leased(FIRST_LEASE)
    }
    const client = new SessionClient(served.client.openSession())
    client.say({ gets: questions(1, 3) })
    await until(() => served.sessions.opened.length === 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(served.sessions.opened[0]?.asked).toEqual([])
    admit()
    expect(await answered(client, 3)).toEqual([1, 2, 3])
    expect(client.cases()).toEqual(['welcome', 'batch'])
  })

  it('takes a lease that comes from within the opening', async () => {
    await using served = await serve()
    served.sessions.admit = (session) => session.options.listener.leased(FIRST_LEASE)
    await expectAlive(served)
  })
})

describe('the end of a session', () => {
  it('comes, when the client leaves, after the answers to what it had asked', async () => {
    await using served = await serve()
    const held = new Held()
    served.sessions.answer = held.answer
    const { client, session } = await open(served)
    client.say({ gets: questions(1, 3) })
    client.stream.end()
    await until(() => session.closings.length > 0)
    expect(session.closings).toEqual(['the client went away'])
    expect(client.replies()).toEqual([])
    held.release()
    expect(await client.ended).toBe('OK')
    expect(await answered(client, 3)).toEqual([1, 2, 3])
  })

  it('is told to the coordinator when the client is lost, and what it then answers is dropped', async () => {
    await using served = await serve()
    const held = new Held()
    served.sessions.answer = held.answer
    const { client, session } = await open(served)
    client.say({ gets: questions(1, 3) })
    await until(() => session.asked.length === 3)
    client.stream.cancel()
    await until(() => session.closings.length > 0)
    expect(new Set(session.closings)).toEqual(new Set(['the client went away']))
    held.release()
    await expectAlive(served)
  })

  it('is noticed while the stream is not read', async () => {
    await using served = await serve({ limits: { sessionCallsMax: 2 } })
    served.sessions.answer = new Held().answer
    const { client, session } = await open(served)
    for (let callId = 1; callId <= 40; callId += 1) client.say({ gets: questions(callId, callId) })
    await until(() => session.asked.length === 2)
    client.stream.cancel()
    await until(() => session.closings.length > 0)
    await expectAlive(served)
  })

  it('is found out by the probes when the network goes silent', async () => {
    const keepalive = { keepaliveTimeMs: 50, keepaliveTimeoutMs: 50 }
    await using served = await serve({ limits: keepalive })
    await using network = await SilentNetwork.before(served.server.address)
    const options = clientOptions({ ...defaultLimits, ...keepalive }, { reconnectMaxMs: 100 })
    const application = new TransactionServiceClient(network.address, credentials.createInsecure(), options)
    const client = new SessionClient(application.openSession())
    await until(() => client.messages.length === 1)
    network.fallSilent()
    const [session] = served.sessions.opened
    await until(() => session?.closings.length !== 0)
    expect(await client.ended).toMatch(/^UNAVAILABLE: /)
    application.close()
  })

  it('is said with its reason when the coordinator ends it, after the answers of that turn', async () => {
    await using served = await serve()
    const held = new Held()
    served.sessions.answer = held.answer
    const { client, session } = await open(served)
    client.say({ gets: questions(1, 2) })
    await until(() => session.asked.length === 2)
    held.release(1)
    session.options.listener.ended('a newer session of this client was opened')
    expect(await client.ended).toBe('OK')
    expect(client.cases()).toEqual(['welcome', 'batch', 'goodbye'])
    expect(await answered(client, 1)).toEqual([1])
    expect(client.messages.at(-1)).toMatchObject({
      body: { value: { reason: 'a newer session of this client was opened' } },
    })
    await expectAlive(served)
  })

  it('is a goodbye when the coordinator ends it before it was welcome', async () => {
    await using served = await serve()
    served.sessions.admit = (session) => session.options.listener.ended('too many sessions are open')
    const client = new SessionClient(served.client.openSession())
    expect(await client.ended).toBe('OK')
    expect(client.cases()).toEqual(['goodbye'])
  })

  it('is a goodbye when the server closes', async () => {
    const served = await serve({ limits: { serverCloseTimeoutMs: 60_000 } })
    const { client, session } = await open(served)
    await served.server.close()
    expect(await client.ended).toBe('OK')
    expect(client.cases()).toEqual(['welcome', 'goodbye'])
    expect(session.closings).toEqual(['the daemon is shutting down'])
    await served.close()
  })
})

describe('a session that is not taken', () => {
  it('is refused before replay is done, and taken while the daemon drains', async () => {
    await using served = await serve()
    served.setReady(new PledgedError('STARTING', 'the log is being replayed'))
    const early = new SessionClient(served.client.openSession())
    expect(await early.ended).toBe('STARTING: the log is being replayed')
    served.setReady(new PledgedError('DRAINING', 'shutting down'))
    await expectAlive(served)
    expect(served.sessions.opened).toHaveLength(1)
  })

  it('is refused with the sentence of the coordinator', async () => {
    await using served = await serve()
    const { admit } = served.sessions
    served.sessions.admit = () => {
      throw new PledgedError('LIMIT_REACHED', 'limits.sessions are open')
    }
    const client = new SessionClient(served.client.openSession())
    expect(await client.ended).toBe('LIMIT_REACHED: limits.sessions are open')
    served.sessions.admit = admit
    await expectAlive(served)
  })
})

describe('a client that breaks the protocol', () => {
  const badHello = (fields: object): OpenSessionRequest => ({
    body: { $case: 'hello', value: { ...greetingToProto({ clientId: '', leaseSize: 0 }), ...fields } },
  })

  it.each([
    [
      'with a batch first',
      { body: { $case: 'batch', value: SessionRequestBatch.create() } },
      /the first message .* has to be hello/,
    ],
    ['with an empty message', { body: undefined }, /has to be hello/],
    ['of another protocol', badHello({ protocolVersion: 9 }), /protocol_version is 9; this daemon speaks 1/],
    ['with a client_id of two lines', badHello({ clientId: 'a\nb' }), /hello.client_id is "a\\nb"/],
  ] as const)('%s is sent away before it is opened', async (_name, first, sentence) => {
    await using served = await serve()
    const text = await new SessionClient(served.client.openSession(), first).ended
    expect(text).toMatch(/^INVALID_REQUEST: /)
    expect(text).toMatch(sentence)
    expect(served.sessions.opened).toEqual([])
    await expectAlive(served)
  })

  it.each([
    ['a second hello', SESSION_HELLO, /sent a second hello where only a batch may come/],
    ['an empty message', { body: undefined }, /sent an empty message/],
  ] as const)('with %s is sent away, and its session closed', async (_name, message, sentence) => {
    await using served = await serve()
    const { client, session } = await open(served)
    client.stream.write(message)
    const text = await client.ended
    expect(text).toMatch(/^INVALID_REQUEST: /)
    expect(text).toMatch(sentence)
    expect(session.closings).toHaveLength(1)
    expect(session.closings[0]).toMatch(sentence)
    await expectAlive(served)
  })

  it('by saying nothing is sent away in time', async () => {
    await using served = await serve({ limits: { helloTimeoutMs: 20 } })
    const silent = new SessionClient(served.client.openSession(), null)
    expect(await silent.ended).toMatch(/^INVALID_REQUEST: no hello came within 20 ms of OpenSession/)
    expect(served.sessions.opened).toEqual([])
  })

  it('with any bytes at all does no harm', async () => {
    await using served = await serve()
    const { path, requestSerialize } = TransactionServiceService.openSession
    const hello = requestSerialize(SESSION_HELLO)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }),
        fc.boolean(),
        async (messages, greets) => {
          const stream = served.client.makeBidiStreamRequest(
            path,
            (bytes: Uint8Array) => Buffer.from(bytes),
            (bytes) => bytes,
          )
          const over = new Promise<void>((resolve) => {
            stream.on('error', () => resolve())
            stream.on('end', () => resolve())
          })
          stream.resume()
          if (greets) stream.write(hello)
          for (const bytes of messages) stream.write(bytes)
          stream.end()
          await over
        },
      ),
      { numRuns: 200 },
    )
    await expectAlive(served)
  })
})

describe('back-pressure', () => {
  const limits = { sessionCallsMax: 10 }

  it('reads no more at so many unanswered calls, and goes on at half of them', async () => {
    await using served = await serve({ limits })
    const held = new Held()
    served.sessions.answer = held.answer
    const { client, session } = await open(served)
    // In one message, and in many.
    client.say({ gets: questions(1, 25) })
    for (let callId = 26; callId <= 100; callId += 1) client.say({ gets: questions(callId, callId) })
    await until(() => session.asked.length === 10)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(session.asked).toHaveLength(10)
    held.release(4)
    await answered(client, 4)
    await turn()
    expect(session.asked).toHaveLength(10)
    held.release(1)
    await until(() => session.asked.length === 15)
    while (client.replies().length < 100) {
      expect(held.requestIds.length).toBeLessThanOrEqual(10)
      held.release(1)
      await turn()
    }
    const ids = await answered(client, 100)
    expect(ids).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
  })

  it('is not for what needs no answer', async () => {
    await using served = await serve({ limits })
    const held = new Held()
    served.sessions.answer = held.answer
    const { client, session } = await open(served)
    client.say({ gets: questions(1, 9) })
    const acknowledgement = { xid: XID, participant: 'ledger', result: 1 } as const
    for (let count = 0; count < 50; count += 1) {
      client.say({ leaseSize: 1, acknowledgements: [acknowledgement, acknowledgement] })
    }
    await until(() => session.asked.length === 9 + 150)
    expect(client.replies().filter(({ type }) => type === 'answer')).toEqual([])
    held.release()
    await answered(client, 9)
  })

  it('of one session holds up nothing else on its connection', async () => {
    await using served = await serve({ limits })
    const held = new Held()
    served.sessions.answer = held.answer
    const { client, session } = await open(served)
    const work = new Uint8Array(20_000)
    for (let callId = 1; callId <= 100; callId += 1) {
      client.say({ executes: [{ callId, request: { branches: [{ participant: 'sink', work }] } }] })
    }
    await until(() => session.asked.length === 10)
    await called((callback) =>
      served.client.getTransaction({ key: { $case: 'requestId', value: 'r' } }, callback),
    )
    served.sessions.answer = async () => answer
    const other = await open(served)
    other.client.say({ gets: questions(1, 1) })
    expect(await answered(other.client, 1)).toEqual([1])
    held.release()
    expect(await answered(client, 100)).toHaveLength(100)
  })

  it('counts the bytes of what is not answered, too', async () => {
    const linkQueueBytesMax = 500_000
    await using served = await serve({ limits: { linkQueueBytesMax } })
    const held = new Held()
    served.sessions.answer = held.answer
    const { client, session } = await open(served)
    const work = new Uint8Array(100_000)
    for (let callId = 1; callId <= 12; callId += 1) {
      client.say({ executes: [{ callId, request: { branches: [{ participant: 'sink', work }] } }] })
    }
    await until(() => session.asked.length === 5)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(session.asked).toHaveLength(5)
    while (client.replies().length < 12) {
      held.release(1)
      await turn()
      expect(held.requestIds.length).toBeLessThanOrEqual(5)
    }
    expect(await answered(client, 12)).toHaveLength(12)
  })

  it('stops a client that does not read what it is answered, and forgets nothing of it', async () => {
    await using served = await serve({ limits: { sessionCallsMax: 50, batchBytesMax: 200_000 } })
    const abortMessage = 'x'.repeat(1_000)
    const requestId = 'y'.repeat(100_000)
    const transaction = { ...committed, abortMessage, requestId }
    served.sessions.answer = async () => ({ transaction, replayed: false })
    const { client, session } = await open(served)
    client.stream.pause()
    for (let callId = 1; callId <= 500; callId += 1) client.say({ gets: questions(callId, callId) })
    await until(() => session.asked.length >= 50)
    let before = 0
    while (session.asked.length > before) {
      before = session.asked.length
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    // The replies that fill the stream, the connection's window and the other end have left; then it is over.
    expect(session.asked.length).toBeLessThan(400)
    expect(session.closings).toEqual([])
    client.stream.resume()
    expect(await answered(client, 500)).toHaveLength(500)
  })

  it('cuts a session for which more waits than may', async () => {
    const options: ServeOptions = { limits: { linkQueueBytesMax: 1_000_000, batchBytesMax: 200_000 } }
    await using served = await serve(options)
    const transaction = { ...committed, requestId: 'y'.repeat(50_000) }
    served.sessions.answer = async () => ({ transaction, replayed: false })
    const { client, session } = await open(served)
    client.stream.pause()
    client.say({ gets: questions(1, 500) })
    await until(() => session.closings.length > 0)
    expect(session.closings[0]).toMatch(/reads too slowly: more than 1000000 bytes waited/)
    client.stream.resume()
    expect(await client.ended).toMatch(/^LIMIT_REACHED: the client of a session reads too slowly/)
    await expectAlive(served)
  })
})
