import { credentials } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { PledgedError } from '../../base/errors.ts'
import { defaultLimits } from '../../base/limits.ts'
import type { CoordinatorMessage } from '../../protocol/messages.ts'
import {
  type AttachParticipantRequest,
  type AttachParticipantResponse,
  ParticipantBatch,
  ParticipantGatewayServiceClient,
  ParticipantGatewayServiceService,
} from '../../wire/generated/pledged/v1/participant_gateway_service.ts'
import { BatchedWriter, clientOptions, coordinatorMessages, participantBatches } from '../../wire/index.ts'
import { DIE, linkCases, Peer, peerIdentity } from '../conformance/index.ts'
import type { Dialer, Link } from '../link.ts'
import { Attached, HELLO, type Served, SilentNetwork, serve, until, WELCOME, XID } from './harness.ts'

const batch = (fields: Parameters<typeof ParticipantBatch.fromPartial>[0]): AttachParticipantRequest => ({
  body: { $case: 'batch', value: ParticipantBatch.fromPartial(fields) },
})

async function attach(served: Served): Promise<{ attached: Attached; link: Link }> {
  const before = served.links.opens.length
  const attached = new Attached(served.gatewayClient, HELLO)
  await served.links.until(() => served.links.opens.length > before)
  const link = served.links.opens.at(-1)
  if (link === undefined) throw new Error('no link was opened')
  link.welcome(WELCOME)
  return { attached, link }
}

/** Each dial makes a participant attach, with a peer that answers it; it hands the link on to who dialled. */
class AttachingDialer implements Dialer {
  readonly name = 'peer'
  readonly #serving: Promise<Served>
  #link: Link | undefined

  constructor() {
    this.#serving = serve()
  }

  dial(listener: Parameters<Dialer['dial']>[0]): void {
    void this.#serving.then((served) => {
      served.links.opened = (link) => {
        this.#link = link
        listener.opened(link)
      }
      served.links.received = (link, messages) => listener.received(link, messages)
      served.links.closed = (link, reason) => listener.closed(link, reason)
      attachPeer(served)
    })
  }

  async close(): Promise<void> {
    this.#link?.close('the dialer closes')
    await (await this.#serving).close()
  }
}

function attachPeer(served: Served): void {
  const { stream } = new Attached(served.gatewayClient, HELLO)
  const peer = new Peer(() => stream.cancel())
  const writer = new BatchedWriter({
    sink: stream,
    codec: participantBatches('peer'),
    limits: defaultLimits,
    onOverflow: () => stream.cancel(),
  })
  stream.on('data', (message: AttachParticipantResponse) => {
    if (message.body?.$case === 'batch') writer.send(peer.answer(coordinatorMessages(message.body.value)))
  })
  stream.on('end', () => stream.end())
}

describe('the gRPC link', () => {
  // Of a participant that can't describe itself nothing ever dials in.
  const cases = linkCases.filter(({ name }) => !name.includes('not well'))
  it.each(cases)('$name', async (linkCase) => {
    expect(cases).toHaveLength(linkCases.length - 1)
    await expect(linkCase.run({ dialer: () => new AttachingDialer() })).resolves.toBeUndefined()
  })
})

describe('AttachParticipant', () => {
  it('opens with hello and welcome', async () => {
    await using served = await serve()
    const { attached, link } = await attach(served)
    expect(link.identity).toEqual(peerIdentity)
    await until(() => attached.messages.length === 1)
    expect(attached.messages[0]).toEqual({
      body: {
        $case: 'welcome',
        value: {
          logId: WELCOME.logId,
          epoch: WELCOME.epoch,
          limits: {
            workBytesMax: WELCOME.workBytesMax,
            batchBytesMax: defaultLimits.batchBytesMax,
            messageBytesMax: 0,
          },
        },
      },
    })
  })

  it('sends in one message what was said in one turn, and the next turn in the next', async () => {
    await using served = await serve()
    const { attached, link } = await attach(served)
    link.send([{ type: 'commit', xid: XID }])
    link.send([{ type: 'list_prepared', pageSize: 1, pageToken: '' }])
    await until(() => attached.messages.length === 2)
    link.send([{ type: 'forget', xid: XID }])
    await until(() => attached.messages.length === 3)
    expect(attached.cases()).toEqual(['welcome', 'batch', 'batch'])
  })

  it('says goodbye with its reason, and the stream ends well', async () => {
    await using served = await serve()
    const { attached, link } = await attach(served)
    link.send([{ type: 'commit', xid: XID }])
    link.close('another database stands behind this name', { retryAfterMs: 1_500 })
    expect(await attached.ended).toBe('OK')
    expect(attached.cases()).toEqual(['welcome', 'batch', 'goodbye'])
    expect(attached.messages[2]).toMatchObject({
      body: {
        value: {
          reason: 'another database stands behind this name',
          retryAfter: { seconds: 1n, nanos: 5e8 },
        },
      },
    })
    expect(served.links.closings).toEqual([])
  })

  it('tells the owner of a participant that leaves, and of one that is lost', async () => {
    await using served = await serve()
    const leaving = await attach(served)
    leaving.attached.stream.end()
    expect(await leaving.attached.ended).toBe('OK')
    const lost = await attach(served)
    lost.attached.stream.cancel()
    await served.links.until(() => served.links.closings.length === 2)
    expect(served.links.closings).toEqual(['the participant went away', 'the participant went away'])
    expect(await lost.attached.ended).toMatch(/^OUTCOME_UNKNOWN/)
  })

  it('says goodbye to who is attached when the server closes, and tells the owner', async () => {
    const served = await serve({ limits: { serverCloseTimeoutMs: 60_000 } })
    const { attached } = await attach(served)
    await served.server.close()
    expect(await attached.ended).toBe('OK')
    expect(attached.cases()).toEqual(['welcome', 'goodbye'])
    expect(served.links.closings).toEqual(['the daemon is shutting down'])
    await served.close()
  })

  it('is refused before replay is done, and taken while the daemon drains', async () => {
    await using served = await serve()
    served.setReady(new PledgedError('STARTING', 'the log is being replayed'))
    expect(await new Attached(served.gatewayClient, HELLO).ended).toBe('STARTING: the log is being replayed')
    served.setReady(new PledgedError('DRAINING', 'shutting down'))
    await attach(served)
    expect(served.links.opens).toHaveLength(1)
  })
})

describe('a participant that breaks the protocol', () => {
  const badHello = (fields: object): AttachParticipantRequest =>
    ({ body: { $case: 'hello', value: { ...HELLO.body?.value, ...fields } } }) as AttachParticipantRequest

  it.each([
    ['without a hello', batch({}), /the first message of AttachParticipant has to be hello/],
    ['with an empty message', { body: undefined }, /has to be hello/],
    ['with a name that is none', badHello({ name: 'Peer!' }), /hello.name is "Peer!"/],
    ['of another protocol', badHello({ protocolVersion: 9 }), /protocol_version is 9; this daemon speaks 1/],
  ] as const)('%s is sent away before it is opened', async (_name, first, sentence) => {
    await using served = await serve()
    const text = await new Attached(served.gatewayClient, first).ended
    expect(text).toMatch(/^INVALID_REQUEST: /)
    expect(text).toMatch(sentence)
    expect(served.links.callbacks).toBe(0)
    await attach(served)
  })

  it.each([
    ['a second hello', HELLO, /sent a second hello where only a batch may come/],
    ['an empty message', { body: undefined }, /sent an empty message/],
    ['a vote that is none', batch({ votes: [{ xid: XID, vote: 0 }] }), /vote for .* is 0/],
    ['an xid that is none', batch({ results: [{ xid: 'x', decision: 1, result: 1 }] }), /"x" is not an xid/],
  ] as const)('with %s is sent away, and its owner told', async (_name, message, sentence) => {
    await using served = await serve()
    const { attached } = await attach(served)
    attached.stream.write(message)
    const text = await attached.ended
    expect(text).toMatch(/^(INVALID_REQUEST|MALFORMED_XID): /)
    expect(text).toMatch(sentence)
    expect(served.links.closings).toHaveLength(1)
    expect(served.links.closings[0]).toMatch(sentence)
    await attach(served)
  })

  it('with bytes that are no message is sent away', async () => {
    await using served = await serve()
    const { path, requestSerialize } = ParticipantGatewayServiceService.attachParticipant
    const stream = served.gatewayClient.makeBidiStreamRequest(
      path,
      (message: AttachParticipantRequest | Buffer) =>
        Buffer.isBuffer(message) ? message : requestSerialize(message),
      (bytes) => bytes,
    )
    const failed = new Promise((_, reject) => stream.on('error', reject))
    stream.write(HELLO)
    await served.links.until(() => served.links.opens.length === 1)
    stream.write(Buffer.from([0xff, 0xff, 0xff]))
    await expect(failed).rejects.toThrow(/the bytes of the message/)
    await served.links.until(() => served.links.closings.length === 1)
    await attach(served)
  })

  it('by saying nothing is sent away in time', async () => {
    await using served = await serve({ limits: { helloTimeoutMs: 20 } })
    const silent = new Attached(served.gatewayClient)
    expect(await silent.ended).toMatch(/^INVALID_REQUEST: no hello came within 20 ms/)
    expect(served.links.callbacks).toBe(0)
  })

  it('is not one that is silent after its hello', async () => {
    const helloTimeoutMs = 500
    await using served = await serve({ limits: { helloTimeoutMs } })
    const { attached, link } = await attach(served)
    await new Promise((resolve) => setTimeout(resolve, helloTimeoutMs + 50))
    link.close('enough')
    expect(await attached.ended).toBe('OK')
  })
})

describe('a network that goes silent', () => {
  it('is found out by the probes of both ends', async () => {
    const keepalive = { keepaliveTimeMs: 50, keepaliveTimeoutMs: 50 }
    await using served = await serve({ limits: keepalive })
    await using network = await SilentNetwork.before(served.server.address)
    const options = clientOptions({ ...defaultLimits, ...keepalive }, { reconnectMaxMs: 100 })
    const client = new ParticipantGatewayServiceClient(network.address, credentials.createInsecure(), options)
    const attached = new Attached(client, HELLO)
    await served.links.until(() => served.links.opens.length === 1)
    network.fallSilent()
    await served.links.until(() => served.links.closings.length === 1)
    expect(served.links.closings).toEqual(['the participant went away'])
    expect(await attached.ended).toMatch(/^UNAVAILABLE: /)
    client.close()
  })
})

describe('back-pressure', () => {
  const limits = { batchBytesMax: 200_000, linkQueueBytesMax: 2_000_000 }
  const prepare = (sequence: number): CoordinatorMessage => ({
    type: 'prepare',
    xid: `${WELCOME.logId}.${WELCOME.epoch}.${sequence}` as typeof XID,
    work: new Uint8Array(50_000),
    timeoutMs: 1_000,
  })
  const turn = () => new Promise((resolve) => setImmediate(resolve))

  it('keeps what a slow reader has not read, in order, up to the bound', async () => {
    await using served = await serve({ limits })
    const { attached, link } = await attach(served)
    attached.stream.pause()
    // Over what the stream itself takes, 16 messages and the connection's window, and below the bound.
    for (let sequence = 1; sequence <= 60; sequence += 1) {
      link.send([prepare(sequence)])
      await turn()
    }
    attached.stream.resume()
    const arrived = () =>
      attached.messages.flatMap(({ body }) => (body?.$case === 'batch' ? body.value.prepares : []))
    await until(() => arrived().length === 60)
    expect(arrived().map(({ xid }) => Number(xid.split('.')[2]))).toEqual(
      Array.from({ length: 60 }, (_, index) => index + 1),
    )
    // What had to wait left in fuller messages.
    expect(attached.messages.length).toBeLessThan(60)
    expect(served.links.closings).toEqual([])
  })

  it('cuts the link of one that does not read at all', async () => {
    await using served = await serve({ limits })
    const { attached, link } = await attach(served)
    attached.stream.pause()
    let sent = 0
    while (served.links.closings.length === 0) {
      sent += 1
      link.send([prepare(sent)])
      if (sent % 10 === 0) await turn()
      expect(sent).toBeLessThan(1_000)
    }
    expect(served.links.closings).toEqual([
      'participant "peer" reads too slowly: more than 2000000 bytes waited for it; attach again',
    ])
    attached.stream.resume()
    expect(await attached.ended).toMatch(/^LIMIT_REACHED: participant "peer" reads too slowly/)
  })

  it('loses nothing but the link of a peer that dies', async () => {
    await using served = await serve()
    attachPeer(served)
    await served.links.until(() => served.links.opens.length === 1)
    const link = served.links.opens[0]
    link?.welcome(WELCOME)
    link?.send([{ type: 'prepare', xid: XID, work: new TextEncoder().encode(DIE), timeoutMs: 1 }])
    await served.links.until(() => served.links.closings.length === 1)
    expect(served.links.messages).toEqual([])
    expect(served.links.closings).toEqual(['the participant went away'])
  })
})
