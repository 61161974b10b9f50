import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import type { Epoch, LogId, Xid } from '../../base/ids.ts'
import type { CoordinatorPortMessage, ParticipantPortMessage } from '../../protocol/port-messages.ts'
import { type CoordinatorIdentity, type Participant, supersededError, vote } from './participant.ts'
import { servePort } from './port-host.ts'

const xid = 'k3f9qa7m2xw4.7-q3f9.1' as Xid

function participantWith(closed: string[], describeIt?: Participant['describe']): Participant {
  const done = { result: 'done', message: '', evidence: 'none' } as const
  return {
    describe:
      describeIt ?? (() => Promise.resolve({ kind: 'test', resourceId: 'resource', keepsWitnesses: false })),
    prepare: ({ work }) => Promise.resolve(vote.no(new TextDecoder().decode(work))),
    commit: () => Promise.resolve(done),
    abort: () => Promise.resolve(done),
    listPrepared: () => {
      const branch = { xid: 'held', prepareTimeMs: 1, cannotBeCloned: () => {} }
      return Promise.resolve({ branches: [branch], nextPageToken: '' })
    },
    close: () => {
      closed.push('closed')
      return Promise.resolve()
    },
  }
}

/** The coordinator's end of a real message channel. */
class CoordinatorEnd {
  readonly received: ParticipantPortMessage[] = []
  readonly #port: MessagePort
  #changed: (() => void)[] = []

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (message: ParticipantPortMessage) => {
      this.received.push(message)
      for (const resolve of this.#changed.splice(0)) resolve()
    })
  }

  post(message: CoordinatorPortMessage): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a message port has no origin
    this.#port.postMessage(message)
  }

  async until(count: number): Promise<void> {
    while (this.received.length < count) await new Promise<void>((resolve) => this.#changed.push(resolve))
  }
}

describe('servePort', () => {
  it('says hello, serves what is sent after the welcome, and puts the participant away at close', async () => {
    const { port1, port2 } = new MessageChannel()
    const closed: string[] = []
    const coordinator = new CoordinatorEnd(port1)
    const served = servePort({ name: 'test', port: port2, participant: participantWith(closed) })
    await coordinator.until(1)
    expect(coordinator.received[0]).toMatchObject({
      type: 'hello',
      identity: { name: 'test', kind: 'test', resourceId: 'resource', keepsWitnesses: false },
    })
    coordinator.post({
      type: 'welcome',
      welcome: { logId: 'k3f9qa7m2xw4' as LogId, epoch: '7-q3f9' as Epoch, workBytesMax: 10 },
    })
    coordinator.post({
      type: 'batch',
      messages: [
        { type: 'prepare', xid, work: new TextEncoder().encode('schön'), timeoutMs: 1_000 },
        { type: 'list_prepared', pageSize: 1, pageToken: '' },
      ],
    })
    await coordinator.until(2)
    expect(coordinator.received[1]).toMatchObject({ type: 'batch' })
    const messages = coordinator.received.flatMap((message) =>
      message.type === 'batch' ? message.messages : [],
    )
    expect(messages).toEqual(
      expect.arrayContaining([
        { type: 'vote', xid, vote: { vote: 'no', message: 'schön', retryable: false } },
        { type: 'held', branches: [{ xid: 'held', prepareTimeMs: 1 }], nextPageToken: '' },
      ]),
    )
    coordinator.post({ type: 'close', reason: 'done' })
    await served
    expect(closed).toEqual(['closed'])
  })

  it('says why a participant cannot serve, and ends', async () => {
    const { port1, port2 } = new MessageChannel()
    const closed: string[] = []
    const coordinator = new CoordinatorEnd(port1)
    const participant = participantWith(closed, () =>
      Promise.reject(new Error('synchronous is OFF: set it to FULL')),
    )
    await servePort({ name: 'test', port: port2, participant })
    await coordinator.until(1)
    expect(coordinator.received).toEqual([{ type: 'failed', reason: 'synchronous is OFF: set it to FULL' }])
    expect(closed).toEqual(['closed'])
  })

  it('tells why it does not admit a coordinator (R11), and ends', async () => {
    const { port1, port2 } = new MessageChannel()
    const closed: string[] = []
    const coordinator = new CoordinatorEnd(port1)
    const participant = {
      ...participantWith(closed),
      admit: (identity: CoordinatorIdentity) => Promise.reject(supersededError(identity, '9-abcd')),
    }
    const served = servePort({ name: 'test', port: port2, participant })
    await coordinator.until(1)
    coordinator.post({
      type: 'welcome',
      welcome: { logId: 'k3f9qa7m2xw4' as LogId, epoch: '7-q3f9' as Epoch, workBytesMax: 10 },
    })
    await coordinator.until(2)
    expect(coordinator.received[1]).toMatchObject({
      type: 'batch',
      messages: [{ type: 'admission_refused', superseded: true }],
    })
    await served
    expect(closed).toEqual(['closed'])
  })

  it('ends when the other end is gone', async () => {
    const { port1, port2 } = new MessageChannel()
    const closed: string[] = []
    const served = servePort({ name: 'test', port: port2, participant: participantWith(closed) })
    port1.close()
    await served
    expect(closed).toEqual(['closed'])
  })
})
