import { describe, expect, it } from 'vitest'
import { PledgedError } from '../../base/errors.ts'
import type { Epoch, LogId, Xid } from '../../base/ids.ts'
import { systemTimers } from '../../base/ports.ts'
import type {
  Answer,
  ExecuteRequest,
  GetRequest,
  Session,
  SessionListener,
  SessionOptions,
} from '../../protocol/requests.ts'
import type { SessionAdmission, SessionCall, SessionReply } from '../../protocol/session-messages.ts'
import { memoryDial } from './memory-session.ts'

const XID = 'k3f9qa7m2xw4.7-q3f9.1' as Xid

/** A coordinator that remembers what it was asked, and answers what it is told to. */
class FakeCoordinator {
  readonly asked: unknown[] = []
  readonly branches = [{ participant: 'sink', state: 'committed', attempts: 0, evidence: 'none' } as const]
  refusal: PledgedError | undefined
  opened: SessionOptions | undefined
  closings: string[] = []

  get listener(): SessionListener {
    if (this.opened === undefined) throw new Error('no session was opened')
    return this.opened.listener
  }

  openSession(options: SessionOptions): Session {
    if (this.refusal !== undefined) throw this.refusal
    this.opened = options
    const answer = (type: string) => async (request: unknown) => {
      this.asked.push({ type, request })
      return this.answer(request as ExecuteRequest | GetRequest)
    }
    return {
      logId: 'k3f9qa7m2xw4' as LogId,
      epoch: '7-q3f9' as Epoch,
      lease: (count) => this.asked.push({ type: 'lease', count }),
      enlist: async (request) => {
        this.asked.push({ type: 'enlist', request })
      },
      execute: answer('execute'),
      commit: answer('commit'),
      abort: answer('abort'),
      get: answer('get'),
      acknowledge: (ending) => this.asked.push({ type: 'acknowledge', ending }),
      close: (reason) => this.closings.push(reason),
    }
  }

  answer(_request: ExecuteRequest | GetRequest): Answer {
    const transaction = {
      xid: XID,
      state: 'committed',
      outcome: 'committed',
      abortMessage: '',
      retryable: false,
      branches: this.branches,
      heuristic: false,
      requestId: 'r',
      attempt: 1,
      createTimeMs: 0,
      timeline: [],
      traceparent: '',
    } as const
    return { transaction, replayed: false }
  }
}

class Client {
  readonly admissions: SessionAdmission[] = []
  readonly replies: SessionReply[] = []
  readonly ends: PledgedError[] = []
  readonly coordinator = new FakeCoordinator()
  readonly #dial = memoryDial({
    sessions: this.coordinator,
    caller: 'shop',
    limits: { workBytesMax: 1_000, sessionCallsMax: 7 },
    timers: systemTimers,
  })

  dial() {
    return this.#dial(
      { clientId: 'c', leaseSize: 2 },
      {
        admitted: (admission) => this.admissions.push(admission),
        received: (replies) => this.replies.push(...replies),
        ended: ({ error }) => this.ends.push(error),
      },
    )
  }

  async admitted() {
    const stream = this.dial()
    await turns()
    this.coordinator.listener.leased({ firstSequence: 1, count: 2 })
    await turns()
    return stream
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

function execution(work: Uint8Array, more: object = {}): SessionCall {
  const request: ExecuteRequest = {
    caller: '',
    name: { requestId: 'r', attempt: 1 },
    branches: [{ participant: 'sink', work }],
    waitFor: 'decision',
    ...more,
  }
  return { type: 'execute', callId: 1, request }
}

describe('a session within the process', () => {
  it('is admitted with its first lease, in a later turn than that in which the coordinator speaks', async () => {
    const client = new Client()
    client.dial()
    expect(client.coordinator.opened).toBeUndefined()
    await turns()
    expect(client.coordinator.opened).toMatchObject({ caller: 'shop', clientId: 'c', leaseSize: 2 })
    client.coordinator.listener.leased({ firstSequence: 1, count: 2 })
    expect(client.admissions).toEqual([])
    await turns()
    expect(client.admissions).toEqual([
      {
        logId: 'k3f9qa7m2xw4',
        epoch: '7-q3f9',
        workBytesMax: 1_000,
        batchBytesMax: 0,
        messageBytesMax: 0,
        callsMax: 7,
        lease: { firstSequence: 1, count: 2 },
      },
    ])
    client.coordinator.listener.leased({ firstSequence: 3, count: 1 })
    await turns()
    expect(client.replies).toEqual([{ type: 'lease', lease: { firstSequence: 3, count: 1 } }])
  })

  it('asks in its order, as the identity that it was opened with', async () => {
    const client = new Client()
    const stream = await client.admitted()
    const branch = { participant: 'sink', resourceId: 'db', connectionId: '7' }
    const { request } = execution(new Uint8Array([1])) as { request: ExecuteRequest }
    stream.send([
      { type: 'enlist', callId: 1, xid: XID, branch },
      { type: 'commit', callId: 2, request: { ...request, xid: XID, preparedBranches: [branch] } },
      { type: 'acknowledgement', ending: { xid: XID, participant: 'sink', result: 'done' } },
      { type: 'abort', callId: 3, xid: XID },
      { type: 'get', callId: 4, request: { caller: 'somebody else', requestId: 'r' } },
      { type: 'lease', count: 9 },
    ])
    expect(client.coordinator.asked).toMatchObject([
      { type: 'enlist', request: { xid: XID, branch } },
      { type: 'commit', request: { caller: 'shop', xid: XID } },
      { type: 'acknowledge' },
      { type: 'abort', request: { caller: 'shop', xid: XID } },
      { type: 'get', request: { caller: 'shop', requestId: 'r' } },
      { type: 'lease', count: 9 },
    ])
    await turns()
    expect(client.replies.map(({ type }) => type)).toEqual(['enlisted', 'answer', 'answer', 'answer'])
  })

  it('shares nothing that one side could change under the other', async () => {
    const client = new Client()
    const stream = await client.admitted()
    const work = new Uint8Array([1, 2, 3])
    stream.send([execution(work, { waitFor: 'completion' })])
    work.fill(0)
    await turns()
    expect(client.coordinator.asked).toMatchObject([
      { request: { branches: [{ work: new Uint8Array([1, 2, 3]) }] } },
    ])
    const reply = client.replies[0]
    if (reply?.type !== 'answer') throw new Error('there is no answer')
    expect(reply.answer.transaction?.branches).toEqual(client.coordinator.branches)
    expect(reply.answer.transaction?.branches[0]).not.toBe(client.coordinator.branches[0])
  })

  it.each([
    ['an xid that is none', { type: 'abort', callId: 1, xid: 'junk' }, 'MALFORMED_XID'],
    ['an xid that is no text', { type: 'get', callId: 1, request: { caller: '', xid: 7 } }, undefined],
    [
      'a request id that is no text',
      { type: 'get', callId: 1, request: { caller: '', requestId: 7 } },
      'INVALID_REQUEST',
    ],
    [
      'an execution under a number',
      execution(new Uint8Array(), { name: { requestId: 7, attempt: 1 } }),
      'INVALID_REQUEST',
    ],
    ['an unknown word', execution(new Uint8Array(), { waitFor: 'ever' }), 'INVALID_REQUEST'],
    [
      'branches that are none',
      execution(new Uint8Array(), { branches: [{ participant: 'sink' }] }),
      undefined,
    ],
    [
      'a resource id that is too long',
      {
        type: 'enlist',
        callId: 1,
        xid: XID,
        branch: { participant: 'sink', resourceId: 'x'.repeat(257), connectionId: '' },
      },
      'INVALID_REQUEST',
    ],
  ])('refuses %s alone, before the coordinator sees it', async (_what, call, code) => {
    const client = new Client()
    const stream = await client.admitted()
    stream.send([call as SessionCall, { type: 'get', callId: 2, request: { caller: '', requestId: 'r' } }])
    await turns()
    expect(client.coordinator.asked).toMatchObject([{ type: 'get', request: { requestId: 'r' } }])
    const refusal = client.replies.find((reply) => reply.type === 'refusal')
    expect(refusal).toMatchObject({ callId: 1, error: code === undefined ? {} : { code } })
  })

  it('ends where it isn’t taken, or is ended, and nothing is heard or asked after', async () => {
    const refused = new Client()
    refused.coordinator.refusal = new PledgedError('DRAINING', 'the daemon has shut down')
    refused.dial()
    await turns()
    expect(refused.ends).toEqual([refused.coordinator.refusal])

    const client = new Client()
    const stream = await client.admitted()
    client.coordinator.listener.ended('too many')
    expect(client.ends).toEqual([])
    await turns()
    expect(client.ends).toMatchObject([{ code: 'UNAVAILABLE', message: expect.stringMatching(/too many/) }])
    stream.send([execution(new Uint8Array([1]))])
    await turns()
    expect(client.coordinator.asked).toEqual([])
    expect(client.replies).toEqual([])
  })

  it('that is closed asks no more, and hears no more of what it had asked', async () => {
    const client = new Client()
    const stream = await client.admitted()
    stream.send([execution(new Uint8Array([1]))])
    stream.close()
    client.coordinator.listener.leased({ firstSequence: 3, count: 1 })
    client.coordinator.listener.ended('over')
    await turns()
    expect(client.coordinator.asked).toHaveLength(1)
    expect(client.coordinator.closings).toHaveLength(1)
    expect([client.replies, client.ends]).toEqual([[], []])
    const early = new Client()
    early.dial().close()
    await turns()
    expect(early.coordinator.opened).toBeUndefined()
  })
})
