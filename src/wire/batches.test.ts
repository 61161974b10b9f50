import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Xid } from '../base/ids.ts'
import type { CoordinatorMessage, ParticipantMessage } from '../protocol/messages.ts'
import * as arbitrary from './arbitraries.ts'
import type { BatchCodec } from './batch.ts'
import { coordinatorBatches, coordinatorMessages } from './coordinator-batch.ts'
import {
  AttachParticipantRequest,
  AttachParticipantResponse,
  ParticipantBatch,
} from './generated/pledged/v1/participant_gateway_service.ts'
import { participantBatches, participantMessages } from './participant-batch.ts'

const xid = 'k3f9qa7m2xw4.7-q3f9.1' as Xid
const toParticipant = {
  codec: coordinatorBatches,
  carry: (message: AttachParticipantResponse): CoordinatorMessage[] => {
    const { body } = AttachParticipantResponse.decode(AttachParticipantResponse.encode(message).finish())
    return body?.$case === 'batch' ? coordinatorMessages(body.value) : []
  },
}
const toCoordinator = {
  codec: participantBatches('sink'),
  carry: (message: AttachParticipantRequest): ParticipantMessage[] => {
    const { body } = AttachParticipantRequest.decode(AttachParticipantRequest.encode(message).finish())
    return body?.$case === 'batch' ? participantMessages(body.value) : []
  },
}

/** The items in as few messages as the codec allows. */
function pack<Item, Message>(codec: BatchCodec<Item, Message>, items: readonly Item[]): Message[] {
  const messages: Message[] = []
  let draft = codec.start()
  let inDraft = 0
  for (const item of items) {
    if (!draft.add(item)) {
      messages.push(draft.finish())
      draft = codec.start()
      inDraft = 0
      expect(draft.add(item)).toBe(true)
    }
    inDraft += 1
  }
  if (inDraft > 0) messages.push(draft.finish())
  return messages
}

type Item = CoordinatorMessage | ParticipantMessage

const about = (item: Item): string => ('xid' in item ? item.xid : '')

/** Items about one xid, and those about none, in their order; the order between xids may change. */
function byXid(items: readonly Item[]): Record<string, Item[]> {
  return Object.groupBy(items, about) as Record<string, Item[]>
}

/** What came before each item about no xid: as sets, since regrouping stays between them. */
function between(items: readonly Item[]): string[][] {
  const groups: string[][] = [[]]
  for (const item of items) {
    groups.at(-1)?.push(about(item))
    if (!('xid' in item)) groups.push([])
  }
  return groups.map((group) => group.toSorted())
}

function expectCarried<I extends Item, Message>(
  sent: readonly I[],
  way: { codec: BatchCodec<I, Message>; carry: (message: Message) => I[] },
): void {
  const arrived = pack(way.codec, sent).flatMap((message) => way.carry(message))
  expect(byXid(arrived)).toEqual(byXid(sent))
  expect(between(arrived)).toEqual(between(sent))
}

describe('batches', () => {
  it('carry what the coordinator says, each xid in its order, scans in their place', () => {
    fc.assert(
      fc.property(fc.array(arbitrary.coordinatorMessages, { maxLength: 40 }), (sent) => {
        expectCarried(sent, toParticipant)
      }),
    )
  })

  it('carry what a participant says, each xid in its order, scans in their place', () => {
    fc.assert(
      fc.property(fc.array(arbitrary.participantMessages, { maxLength: 40 }), (sent) => {
        expectCarried(sent, toCoordinator)
      }),
    )
  })

  it('never take more bytes than the estimate', () => {
    fc.assert(
      fc.property(arbitrary.coordinatorMessages, arbitrary.participantMessages, (one, other) => {
        for (const message of pack(coordinatorBatches, [one])) {
          expect(coordinatorBatches.bytesOf(one)).toBeGreaterThanOrEqual(
            AttachParticipantResponse.encode(message).finish().length,
          )
        }
        const { codec } = toCoordinator
        for (const message of pack(codec, [other])) {
          expect(codec.bytesOf(other)).toBeGreaterThanOrEqual(
            AttachParticipantRequest.encode(message).finish().length,
          )
        }
      }),
    )
  })

  it('put many xids into one message, and split where an xid would be overtaken', () => {
    const prepare = { type: 'prepare', xid, work: new Uint8Array(0), timeoutMs: 1 } as const
    const other = 'k3f9qa7m2xw4.7-q3f9.2' as Xid
    const together: CoordinatorMessage[] = [prepare, { type: 'commit', xid: other }, { type: 'forget', xid }]
    expect(pack(coordinatorBatches, together)).toHaveLength(1)
    expect(pack(coordinatorBatches, [prepare, { type: 'abort', xid }])).toHaveLength(2)
    const scan: CoordinatorMessage = { type: 'list_prepared', pageSize: 1, pageToken: '' }
    expect(pack(coordinatorBatches, [scan, prepare, scan])).toHaveLength(2)
  })

  it('round a pledge down, and a timeout into what the field can hold', () => {
    const vote: ParticipantMessage = { type: 'vote', xid, vote: { vote: 'yes', pledgeTtlMs: 99.9 } }
    expect(pack(toCoordinator.codec, [vote]).flatMap(toCoordinator.carry)).toEqual([
      { type: 'vote', xid, vote: { vote: 'yes', pledgeTtlMs: 99 } },
    ])
    const prepare: CoordinatorMessage = { type: 'prepare', xid, work: new Uint8Array(0), timeoutMs: 2 ** 40 }
    expect(pack(coordinatorBatches, [prepare]).flatMap(toParticipant.carry)).toEqual([
      { ...prepare, timeoutMs: 2 ** 32 - 1 },
    ])
  })

  it('give work that does not hold on to the message it came in', () => {
    const work = new Uint8Array([1, 2, 3])
    const [message] = pack(coordinatorBatches, [{ type: 'prepare', xid, work, timeoutMs: 1 }]).flatMap(
      toParticipant.carry,
    )
    expect(message?.type === 'prepare' && message.work.buffer.byteLength).toBe(3)
  })

  it('refuse what is not a vote, a decision or an xid, and take an unknown result for unknown', () => {
    const batch = (fields: Parameters<typeof ParticipantBatch.fromPartial>[0]) => () =>
      participantMessages(ParticipantBatch.fromPartial(fields))
    expect(batch({ votes: [{ xid }] })).toThrow(/vote for .* is 0/)
    expect(batch({ votes: [{ xid: 'x', vote: 1 }] })).toThrow(/is not an xid/)
    expect(batch({ results: [{ xid, result: 1 }] })).toThrow(/names decision 0/)
    expect(batch({ results: [{ xid, decision: 1, result: 77 as never }] })()).toMatchObject([
      { result: 'unknown', evidence: 'none' },
    ])
    expect(batch({ heldPage: { branches: [{ xid: 'x', prepareTime: new Date(Number.NaN) }] } })).toThrow(
      /prepare_time/,
    )
  })
})
