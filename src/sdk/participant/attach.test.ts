import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { afterEach, describe, expect, it } from 'vitest'
import type { CrashPoints } from '../../base/crash-points.ts'
import { PledgedError } from '../../base/errors.ts'
import type { Epoch, LogId, Xid } from '../../base/ids.ts'
import { defaultLimits } from '../../base/limits.ts'
import type { CoordinatorMessage, ParticipantMessage } from '../../protocol/messages.ts'
import {
  type AttachParticipantRequest,
  type AttachParticipantResponse,
  type Hello,
  ParticipantGatewayServiceService,
} from '../../wire/generated/pledged/v1/participant_gateway_service.ts'
import {
  coordinatorBatches,
  goodbyeToProto,
  participantMessages,
  toStatus,
  welcomeToProto,
} from '../../wire/index.ts'
import { type AttachmentEvent, attachParticipant } from './attach.ts'
import { type CoordinatorIdentity, type Participant, supersededError, vote } from './participant.ts'

type Stream = ServerDuplexStream<AttachParticipantRequest, AttachParticipantResponse>

/** A real gRPC server with a gateway that admits whom it is told to, and writes down what it hears. */
class Gateway {
  readonly hellos: Hello[] = []
  readonly messages: ParticipantMessage[] = []
  readonly streams: Stream[] = []
  ended = 0
  /** What is done with a hello. */
  onHello: (stream: Stream) => void = welcome
  #server: Server | undefined
  #port = 0
  #changed: (() => void)[] = []

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  async start(): Promise<void> {
    const server = new Server()
    server.addService(ParticipantGatewayServiceService, {
      attachParticipant: (stream: Stream) => this.#attach(stream),
    })
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${this.#port}`, ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      )
    })
    this.#server = server
  }

  kill(): void {
    this.#server?.forceShutdown()
    this.#server = undefined
  }

  send(...messages: CoordinatorMessage[]): void {
    for (const message of messages) {
      const draft = coordinatorBatches.start()
      draft.add(message)
      this.streams.at(-1)?.write(draft.finish())
    }
  }

  async until(reached: () => boolean): Promise<void> {
    while (!reached()) await new Promise<void>((resolve) => this.#changed.push(resolve))
  }

  readonly wake = (): void => {
    for (const resolve of this.#changed.splice(0)) resolve()
  }

  #attach(stream: Stream): void {
    this.streams.push(stream)
    stream.on('error', () => {})
    stream.on('end', () => {
      this.ended += 1
      stream.end()
      this.wake()
    })
    stream.on('data', ({ body }: AttachParticipantRequest) => {
      if (body?.$case === 'hello') {
        this.hellos.push(body.value)
        this.onHello(stream)
      } else if (body?.$case === 'batch') this.messages.push(...participantMessages(body.value))
      this.wake()
    })
  }
}

function welcome(stream: Stream): void {
  const value = welcomeToProto({
    logId: 'k3f9qa7m2xw4' as LogId,
    epoch: '7-q3f9' as Epoch,
    workBytesMax: 1_000,
    batchBytesMax: 1_000,
  })
  stream.write({ body: { $case: 'welcome', value } })
}

const gateways: Gateway[] = []

async function startGateway(): Promise<Gateway> {
  const gateway = new Gateway()
  gateways.push(gateway)
  await gateway.start()
  return gateway
}

afterEach(() => {
  for (const gateway of gateways.splice(0)) gateway.kill()
})

const limits = {
  ...defaultLimits,
  backoffMinMs: 2,
  backoffMaxMs: 20,
  refusedRetryMs: 21,
  linkCloseTimeoutMs: 2_000,
}

class TestParticipant implements Participant {
  readonly calls: string[] = []
  describes = 0
  closes = 0
  describe() {
    this.describes += 1
    return Promise.resolve({ kind: 'test', resourceId: 'resource-1', keepsWitnesses: true })
  }
  prepare({ xid, work }: { xid: Xid; work: Uint8Array }) {
    this.calls.push(`prepare ${xid} ${work.byteLength}`)
    return Promise.resolve(vote.yes())
  }
  commit(xid: Xid) {
    this.calls.push(`commit ${xid}`)
    return Promise.resolve({ result: 'done', message: '', evidence: 'witness_committed' } as const)
  }
  abort() {
    return Promise.reject(new Error('not asked for'))
  }
  listPrepared() {
    return Promise.resolve({ branches: [{ xid: 'foreign', prepareTimeMs: 5 }], nextPageToken: '' })
  }
  close() {
    this.closes += 1
    return Promise.resolve()
  }
}

function attachTo(
  gateway: Gateway,
  participant: Participant,
  options: {
    signal?: AbortSignal
    concurrencyMax?: number
    connectTimeoutMs?: number
    crashPoints?: CrashPoints
  } = {},
) {
  const events: AttachmentEvent[] = []
  const attachment = attachParticipant({
    address: gateway.address,
    name: 'test',
    participant,
    signal: options.signal,
    crashPoints: options.crashPoints,
    limits: {
      ...limits,
      participantConcurrencyMax: options.concurrencyMax ?? 100,
      connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    },
    onEvent: (event) => {
      events.push(event)
      gateway.wake()
    },
  })
  return { attachment, events }
}

function xid(sequence: number): Xid {
  return `k3f9qa7m2xw4.7-q3f9.${sequence}` as Xid
}

function prepare(sequence: number): CoordinatorMessage {
  return { type: 'prepare', xid: xid(sequence), work: new Uint8Array(sequence), timeoutMs: 60_000 }
}

describe('attachParticipant', () => {
  it('introduces the participant, then answers what it is asked', async () => {
    const gateway = await startGateway()
    const participant = new TestParticipant()
    const { attachment, events } = attachTo(gateway, participant)
    await gateway.until(() => events.length > 0)
    expect(events).toEqual([
      { type: 'attached', address: gateway.address, logId: 'k3f9qa7m2xw4', epoch: '7-q3f9' },
    ])
    expect(attachment.attached).toBe(true)
    expect(gateway.hellos).toMatchObject([
      { name: 'test', kind: 'test', resourceId: 'resource-1', keepsWitnesses: true, protocolVersion: 1 },
    ])
    gateway.send(
      prepare(3),
      { type: 'commit', xid: xid(3) },
      { type: 'list_prepared', pageSize: 5, pageToken: '' },
    )
    await gateway.until(() => gateway.messages.length === 3)
    expect(participant.calls).toEqual([`prepare ${xid(3)} 3`, `commit ${xid(3)}`])
    expect(gateway.messages).toEqual(
      expect.arrayContaining([
        { type: 'vote', xid: xid(3), vote: { vote: 'yes' } },
        {
          type: 'result',
          xid: xid(3),
          verb: 'commit',
          result: 'done',
          message: '',
          evidence: 'witness_committed',
        },
        { type: 'held', branches: [{ xid: 'foreign', prepareTimeMs: 5 }], nextPageToken: '' },
      ]),
    )
    await attachment.close()
    expect(participant.closes).toBe(1)
    expect(gateway.ended).toBe(1)
    expect(events).toHaveLength(1)
  })

  it('attaches again when the daemon was killed and is back, describes anew, and is the same instance', async () => {
    const gateway = await startGateway()
    const participant = new TestParticipant()
    const { attachment, events } = attachTo(gateway, participant)
    await gateway.until(() => events.length === 1)
    gateway.kill()
    await gateway.until(() => events.some((event) => event.type === 'failed'))
    expect(events[1]).toMatchObject({ type: 'detached' })
    expect(attachment.attached).toBe(false)
    await gateway.start()
    await gateway.until(() => events.at(-1)?.type === 'attached')
    expect(gateway.hellos).toHaveLength(2)
    expect(gateway.hellos[1]).toEqual(gateway.hellos[0])
    expect(participant.describes).toBeGreaterThanOrEqual(2)
    gateway.send(prepare(1))
    await gateway.until(() => gateway.messages.length === 1)
    await attachment.close()
  })

  it('does not come back before the time that a goodbye asks for', async () => {
    const gateway = await startGateway()
    gateway.onHello = (stream) => {
      gateway.onHello = welcome
      stream.write({
        body: { $case: 'goodbye', value: goodbyeToProto({ reason: 'quarantined', retryAfterMs: 77 }) },
      })
      stream.end()
    }
    const { attachment, events } = attachTo(gateway, new TestParticipant())
    await gateway.until(() => events.at(-1)?.type === 'attached')
    expect(events[0]).toEqual({ type: 'refused', reason: 'quarantined', retryInMs: 77, permanent: false })
    await attachment.close()
  })

  it('tells of a goodbye after the welcome as detached', async () => {
    const gateway = await startGateway()
    const { attachment, events } = attachTo(gateway, new TestParticipant())
    await gateway.until(() => events.length === 1)
    const stream = gateway.streams[0]
    stream?.write({ body: { $case: 'goodbye', value: goodbyeToProto({ reason: 'a newer attach' }) } })
    stream?.end()
    await gateway.until(() => events.length === 3)
    expect(events.map((event) => event.type)).toEqual(['attached', 'detached', 'attached'])
    expect(events[1]).toMatchObject({ reason: 'a newer attach' })
    await attachment.close()
  })

  it('keeps trying, slowly, where it is refused for good, and says so', async () => {
    const gateway = await startGateway()
    gateway.onHello = (stream) =>
      stream.emit('error', toStatus(new PledgedError('INVALID_REQUEST', 'hello.protocol_version is 1')))
    const { attachment, events } = attachTo(gateway, new TestParticipant())
    await gateway.until(() => events.length === 2)
    expect(events[1]).toEqual({
      type: 'refused',
      reason: 'hello.protocol_version is 1',
      retryInMs: 21,
      permanent: true,
    })
    gateway.onHello = welcome
    await gateway.until(() => events.at(-1)?.type === 'attached')
    await attachment.close()
  })

  it('says what is wrong with a participant that cannot describe itself, and tries again', async () => {
    const gateway = await startGateway()
    class Unwell extends TestParticipant {
      override describe() {
        if (this.describes > 0) return super.describe()
        this.describes += 1
        return Promise.reject(new Error('fsync is off: set it on'))
      }
    }
    const { attachment, events } = attachTo(gateway, new Unwell())
    await gateway.until(() => events.length === 2)
    expect(events[0]).toMatchObject({ type: 'failed', reason: 'fsync is off: set it on' })
    expect(events[1]).toMatchObject({ type: 'attached' })
    await attachment.close()
  })

  it('doesn’t admit a coordinator with an old copy of its log (R11): tells it why, says so, and asks again', async () => {
    const gateway = await startGateway()
    class Wiser extends TestParticipant {
      admits = 0
      admit(coordinator: CoordinatorIdentity): Promise<void> {
        this.admits += 1
        return this.admits === 1 ? Promise.reject(supersededError(coordinator, '9-abcd')) : Promise.resolve()
      }
    }
    const { attachment, events } = attachTo(gateway, new Wiser())
    await gateway.until(() => events.length === 2)
    expect(events[0]).toMatchObject({
      type: 'refused',
      reason: expect.stringContaining('opened in epoch 9-abcd') as string,
      retryInMs: 21,
      permanent: true,
    })
    expect(gateway.messages).toMatchObject([{ type: 'admission_refused', superseded: true }])
    expect(events[1]).toMatchObject({ type: 'attached' })
    await attachment.close()
  })

  it('tries again with back-off where it could not look a coordinator up', async () => {
    const gateway = await startGateway()
    class Unwell extends TestParticipant {
      admits = 0
      admit(): Promise<void> {
        this.admits += 1
        return this.admits === 1 ? Promise.reject(new Error('the database is down')) : Promise.resolve()
      }
    }
    const { attachment, events } = attachTo(gateway, new Unwell())
    await gateway.until(() => events.length === 2)
    expect(events[0]).toMatchObject({ type: 'failed', reason: 'the database is down' })
    expect(gateway.messages).toMatchObject([{ type: 'admission_refused', superseded: false }])
    expect(events[1]).toMatchObject({ type: 'attached' })
    await attachment.close()
  })

  it('gives up on a coordinator that does not answer its hello', async () => {
    const gateway = await startGateway()
    gateway.onHello = () => {
      gateway.onHello = welcome
    }
    const { attachment, events } = attachTo(gateway, new TestParticipant(), { connectTimeoutMs: 200 })
    await gateway.until(() => events.length >= 2)
    expect(events[0]).toMatchObject({
      type: 'failed',
      reason: expect.stringContaining("didn't answer within 200 ms") as string,
    })
    expect(events.at(-1)).toMatchObject({ type: 'attached' })
    await attachment.close()
  })

  it('leaves a coordinator whose messages break the protocol', async () => {
    const gateway = await startGateway()
    const { attachment, events } = attachTo(gateway, new TestParticipant())
    await gateway.until(() => events.length === 1)
    gateway.send({ type: 'commit', xid: 'no xid' as Xid })
    await gateway.until(() => events.length === 3)
    expect(events[1]).toMatchObject({
      type: 'detached',
      reason: expect.stringContaining('"no xid" is not an xid') as string,
    })
    await attachment.close()
  })

  it('reads on while as many prepares run as may: a decision is what makes room', async () => {
    const gateway = await startGateway()
    const release = Promise.withResolvers<void>()
    class Slow extends TestParticipant {
      override async prepare(request: { xid: Xid; work: Uint8Array }) {
        this.calls.push(`prepare ${request.xid}`)
        gateway.wake()
        await release.promise
        return vote.yes()
      }
    }
    const participant = new Slow()
    const { attachment, events } = attachTo(gateway, participant, { concurrencyMax: 2 })
    await gateway.until(() => events.length === 1)
    gateway.send(...Array.from({ length: 200 }, (_, index) => prepare(index + 1)))
    await gateway.until(() => participant.calls.length === 2)
    gateway.send({ type: 'commit', xid: xid(999) })
    await gateway.until(() => gateway.messages.length === 1)
    expect(gateway.messages[0]).toMatchObject({ type: 'result', xid: xid(999) })
    expect(participant.calls.filter((call) => call.startsWith('prepare'))).toHaveLength(2)
    release.resolve()
    await gateway.until(() => gateway.messages.length === 201)
    await attachment.close()
  })

  it('closes though the participant hangs in its describe', async () => {
    const gateway = await startGateway()
    class Hanging extends TestParticipant {
      override describe() {
        this.describes += 1
        return new Promise<never>(() => {})
      }
    }
    const participant = new Hanging()
    const { attachment, events } = attachTo(gateway, participant)
    await Promise.resolve()
    await attachment.close()
    expect(participant.closes).toBe(1)
    expect(events).toEqual([])
  })

  it('closes by its signal, attached or not', async () => {
    const gateway = await startGateway()
    const controller = new AbortController()
    const participant = new TestParticipant()
    const { attachment, events } = attachTo(gateway, participant, { signal: controller.signal })
    await gateway.until(() => events.length === 1)
    controller.abort()
    await attachment.closed
    expect(participant.closes).toBe(1)
    gateway.kill()
    const away = new AbortController()
    const other = attachTo(gateway, new TestParticipant(), { signal: away.signal })
    await gateway.until(() => other.events.length > 2)
    away.abort()
    await other.attachment.closed
    expect(other.events.every((event) => event.type === 'failed')).toBe(true)
    expect(other.events[0]).toMatchObject({ reason: expect.stringContaining('connection refused') as string })
  })

  it('throws what is wrong with its name or address at once', () => {
    const participant = new TestParticipant()
    expect(() => attachParticipant({ name: 'No', participant })).toThrow(/not a participant's name/)
    expect(() => attachParticipant({ name: 'no', address: 'nowhere', participant })).toThrow(
      /expected HOST:PORT/,
    )
  })
})
