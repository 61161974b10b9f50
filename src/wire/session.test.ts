import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import type { Xid } from '../base/ids.ts'
import type { Answer, TransactionView } from '../protocol/requests.ts'
import type { SessionCall, SessionReply } from '../protocol/session-messages.ts'
import * as arbitrary from './arbitraries.ts'
import type { BatchCodec } from './batch.ts'
import {
  OpenSessionRequest,
  OpenSessionResponse,
  SessionHello,
  SessionRequestBatch,
  SessionResponseBatch,
  SessionWelcome,
} from './generated/pledged/v1/transaction_service.ts'
import { type ReceivedCall, sessionCallBatches, sessionCalls } from './session-calls.ts'
import {
  admissionFromProto,
  admissionToProto,
  greetingFromProto,
  greetingToProto,
} from './session-opening.ts'
import { sessionAnswerOf, sessionReplies, sessionReplyBatches } from './session-replies.ts'

const facts = { caller: arbitrary.CALLER }
const xid = 'k3f9qa7m2xw4.7-q3f9.1' as Xid
const other = 'k3f9qa7m2xw4.7-q3f9.2' as Xid

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

function carryCalls(message: OpenSessionRequest): ReceivedCall[] {
  const { body } = OpenSessionRequest.decode(OpenSessionRequest.encode(message).finish())
  return body?.$case === 'batch' ? sessionCalls(body.value, facts) : []
}

function carryReplies(message: OpenSessionResponse): SessionReply[] {
  const { body } = OpenSessionResponse.decode(OpenSessionResponse.encode(message).finish())
  return body?.$case === 'batch' ? sessionReplies(body.value) : []
}

/** What has to keep its order: what is said of one xid; else what is of one type. */
function aboutOf(call: ReceivedCall): string {
  switch (call.type) {
    case 'enlist':
    case 'abort':
      return call.xid
    case 'commit':
      return call.request.xid
    case 'acknowledgement':
      return call.ending.xid
    case 'get':
      return 'xid' in call.request ? call.request.xid : 'get by request_id'
    default:
      return call.type
  }
}

function refusalOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof PledgedError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'accepted'
}

describe('what an application says in its session', () => {
  it('is carried, each xid in its order', () => {
    fc.assert(
      fc.property(fc.array(arbitrary.sessionCalls, { maxLength: 40 }), (sent) => {
        const arrived = pack(sessionCallBatches, sent).flatMap(carryCalls)
        expect(Object.groupBy(arrived, aboutOf)).toEqual(Object.groupBy(sent, aboutOf))
      }),
    )
  })

  it('never takes more bytes than the estimate', () => {
    fc.assert(
      fc.property(arbitrary.sessionCalls, (call) => {
        const [message] = pack(sessionCallBatches, [call])
        expect(sessionCallBatches.bytesOf(call)).toBeGreaterThanOrEqual(
          message === undefined ? 0 : OpenSessionRequest.encode(message).finish().length,
        )
      }),
    )
  })

  it('goes in one message, but for an xid that would be overtaken and for a second lease', () => {
    const branch = { participant: 'ledger', resourceId: 'r', connectionId: '7' }
    const enlist = (callId: number, of: Xid): SessionCall => ({ type: 'enlist', callId, xid: of, branch })
    const abort = (callId: number, of: Xid): SessionCall => ({ type: 'abort', callId, xid: of })
    const ending = { xid, participant: 'ledger', result: 'done' } as const
    const lease: SessionCall = { type: 'lease', count: 9 }
    const together = [lease, { type: 'acknowledgement', ending } as const, enlist(1, other), abort(2, other)]
    expect(pack(sessionCallBatches, together)).toHaveLength(1)
    expect(pack(sessionCallBatches, [abort(1, xid), enlist(2, xid)])).toHaveLength(2)
    expect(pack(sessionCallBatches, [lease, lease])).toHaveLength(2)
  })

  it('says a time that is up as the shortest that can be said, never as none', () => {
    for (const [deadlineInMs, arrives] of [
      [-5, 1],
      [0, 1],
      [0.2, 1],
      [1.5, 2],
      [2 ** 40, 2 ** 32 - 1],
      [undefined, undefined],
    ]) {
      const request = { caller: arbitrary.CALLER, branches: [], waitFor: 'decision', deadlineInMs } as const
      const [call] = pack(sessionCallBatches, [{ type: 'execute', callId: 1, request }]).flatMap(carryCalls)
      expect(call).toMatchObject({ type: 'execute', request: { branches: [] } })
      expect(call?.type === 'execute' && call.request.deadlineInMs).toBe(arrives)
    }
  })

  it('is refused item by item where its shape is wrong, and the rest is taken', () => {
    const long = 'x'.repeat(257)
    const branch = { participant: 'ledger', resourceId: 'r', connectionId: '7' }
    const batch = SessionRequestBatch.fromPartial({
      enlists: [
        { callId: 1, xid: 'x', branch },
        { callId: 2, xid },
        { callId: 3, xid, branch: { ...branch, resourceId: long } },
        { callId: 4, xid, branch: { ...branch, connectionId: long } },
        { callId: 5, xid, branch },
      ],
      executes: [{ callId: 6 }, { callId: 7, request: { attempt: 2 } }, { callId: 8, request: {} }],
      commits: [
        { callId: 9, request: { xid: 'x' } },
        { callId: 10, request: { xid, preparedBranches: [{ ...branch, connectionId: long }] } },
        { callId: 11, request: { xid, preparedBranches: [{ ...branch, readOnly: true }] } },
      ],
      aborts: [
        { callId: 12, xid: '7.1' },
        { callId: 13, xid },
      ],
      gets: [
        { callId: 14 },
        { callId: 15, request: {} },
        { callId: 16, request: { key: { $case: 'xid', value: xid } } },
      ],
      leaseSize: -1,
      acknowledgements: [
        { xid: 'x', participant: 'ledger', result: 1 },
        { xid, participant: 'ledger', result: 77 as never },
      ],
    })
    const calls = sessionCalls(batch, facts)
    const taken = calls.flatMap((call) => ('callId' in call && call.type !== 'refusal' ? [call.callId] : []))
    expect(taken).toEqual([5, 8, 11, 13, 16])
    const refused = calls.flatMap((call) =>
      call.type === 'refusal' ? [`${call.callId} ${call.error.code}: ${call.error.message}`] : [],
    )
    const expected = [
      /^1 MALFORMED_XID: "x" is not an xid/,
      /^2 INVALID_REQUEST: branch is missing/,
      /^3 INVALID_REQUEST: resource_id .* has 257 characters/,
      /^4 INVALID_REQUEST: connection_id .* has 257 characters/,
      /^6 INVALID_REQUEST: request is missing/,
      /^7 INVALID_REQUEST: attempt and first_sent_time belong to a request_id/,
      /^9 MALFORMED_XID/,
      /^10 INVALID_REQUEST: connection_id/,
      /^12 MALFORMED_XID/,
      /^14 INVALID_REQUEST: request is missing/,
      /^15 INVALID_REQUEST: key is missing/,
    ]
    expect(refused).toHaveLength(expected.length)
    for (const [index, sentence] of expected.entries()) expect(refused[index]).toMatch(sentence)
    expect(calls.filter(({ type }) => type === 'lease')).toEqual([])
    expect(calls.filter(({ type }) => type === 'acknowledgement')).toEqual([
      { type: 'acknowledgement', ending: { xid, participant: 'ledger', result: 'unknown' } },
    ])
  })

  it('carries the trace of its session, and work that does not hold on to its message', () => {
    const traceparent = 'the trace'
    const work = new Uint8Array([1, 2, 3])
    const encoded = SessionRequestBatch.encode(
      SessionRequestBatch.fromPartial({
        executes: [{ callId: 1, request: { branches: [{ participant: 'sink', work }] }, timeoutMs: 5 }],
      }),
    ).finish()
    const [call] = sessionCalls(SessionRequestBatch.decode(encoded), { ...facts, traceparent })
    expect(call).toMatchObject({ request: { caller: 'app', traceparent, deadlineInMs: 5 } })
    expect(call?.type === 'execute' && call.request.branches[0]?.work.buffer.byteLength).toBe(3)
  })
})

describe('what it is answered', () => {
  it('is carried in its order', () => {
    fc.assert(
      fc.property(fc.array(arbitrary.sessionReplies, { maxLength: 40 }), (sent) => {
        const arrived = pack(sessionReplyBatches, sent).flatMap(carryReplies)
        const kind = ({ type }: SessionReply) => (type === 'lease' ? 'lease' : 'answer')
        expect(Object.groupBy(arrived, kind)).toEqual(Object.groupBy(sent, kind))
        for (const [index, reply] of arrived.filter(({ type }) => type === 'refusal').entries()) {
          const original = sent.filter(({ type }) => type === 'refusal')[index]
          const error = original?.type === 'refusal' ? original.error : undefined
          const { code, metadata } = error ?? {}
          expect(reply).toMatchObject({ error: { code, metadata } })
        }
      }),
    )
  })

  it('never takes more bytes than the estimate', () => {
    fc.assert(
      fc.property(arbitrary.sessionReplies, (reply) => {
        const [message] = pack(sessionReplyBatches, [reply])
        expect(sessionReplyBatches.bytesOf(reply)).toBeGreaterThanOrEqual(
          message === undefined ? 0 : OpenSessionResponse.encode(message).finish().length,
        )
      }),
    )
  })

  it('is never rounded: what is not understood is unknown, and an answer stays one', () => {
    const answered = (fields: object) =>
      sessionReplies(SessionResponseBatch.fromPartial({ answers: [{ callId: 1, ...fields }] }))[0]
    for (const outcome of [0, 77]) {
      expect(answered({ xid, outcome })).toMatchObject({ type: 'answer', answer: { outcome: 'unknown' } })
    }
    expect(answered({ xid, outcome: 2, state: 77 })).toMatchObject({
      answer: { outcome: 'committed', state: 'committing' },
    })
    expect(answered({ xid, outcome: 2, state: 3, transaction: { xid, state: 77, heuristic: true } })).toEqual(
      {
        type: 'answer',
        callId: 1,
        answer: {
          xid,
          outcome: 'committed',
          state: 'committing',
          abortMessage: '',
          retryable: false,
          heuristic: true,
          replayed: false,
        },
      },
    )
    expect(answered({ failure: { reason: 'OF_A_NEWER_DAEMON', message: 'no' } })).toMatchObject({
      type: 'refusal',
      error: { code: 'INTERNAL', message: 'no' },
    })
    expect(refusalOf(() => answered({ outcome: 2 }))).toMatch(/^MALFORMED_XID/)
    expect(
      refusalOf(() => sessionReplies(SessionResponseBatch.fromPartial({ lease: { count: 1 } }))),
    ).toMatch(/^INVALID_REQUEST: the coordinator leased 1 xids from sequence 0/)
  })

  it('has all of the transaction only where its caller looks at it', () => {
    const request = { caller: 'app', branches: [], waitFor: 'decision' } as const
    const execute = { type: 'execute', callId: 1, request } as const
    const waiting = { ...execute, request: { ...request, waitFor: 'completion' } } as const
    const get = { type: 'get', callId: 1, request: { caller: 'app', xid } } as const
    fc.assert(
      fc.property(arbitrary.transactionViews, (view) => {
        const plain: TransactionView = { ...view, heuristic: false }
        const answer: Answer = { transaction: plain, replayed: false }
        expect(sessionAnswerOf(execute, answer).transaction).toBeUndefined()
        expect(sessionAnswerOf({ type: 'abort', callId: 1, xid }, answer).transaction).toBeUndefined()
        expect(sessionAnswerOf(waiting, answer).transaction).toBe(plain)
        expect(sessionAnswerOf(get, answer).transaction).toBe(plain)
        expect(sessionAnswerOf(execute, { ...answer, replayed: true }).transaction).toBe(plain)
        const broken = { ...plain, heuristic: true }
        expect(sessionAnswerOf(execute, { ...answer, transaction: broken })).toMatchObject({
          heuristic: true,
          transaction: broken,
        })
      }),
    )
  })
})

describe('the opening of a session', () => {
  it('carries greeting and admission', () => {
    fc.assert(
      fc.property(arbitrary.greetings, arbitrary.admissions, (greeting, admission) => {
        const hello = SessionHello.decode(SessionHello.encode(greetingToProto(greeting)).finish())
        expect(greetingFromProto(hello)).toEqual(greeting)
        const welcome = SessionWelcome.decode(SessionWelcome.encode(admissionToProto(admission)).finish())
        expect(admissionFromProto(welcome)).toEqual(admission)
      }),
    )
  })

  it('refuses a greeting, and a welcome, that is none', () => {
    const hello = greetingToProto({ clientId: 'c', leaseSize: 0 })
    expect(refusalOf(() => greetingFromProto(hello))).toBe('accepted')
    expect(refusalOf(() => greetingFromProto({ ...hello, protocolVersion: 2 }))).toMatch(
      /^INVALID_REQUEST: hello.protocol_version is 2; this daemon speaks 1/,
    )
    for (const clientId of ['x'.repeat(65), 'a\nb', 'é']) {
      expect(refusalOf(() => greetingFromProto({ ...hello, clientId }))).toMatch(/hello.client_id is "/)
    }
    expect(refusalOf(() => greetingFromProto({ ...hello, leaseSize: -1 }))).toMatch(/hello.lease_size is -1/)

    const welcome = SessionWelcome.fromPartial({
      logId: 'k3f9qa7m2xw4',
      epoch: '7-q3f9',
      limits: {},
      lease: { firstSequence: 1n, count: 1 },
      callsMax: 1,
    })
    expect(refusalOf(() => admissionFromProto(welcome))).toBe('accepted')
    for (const fields of [
      { logId: 'x' },
      { epoch: '' },
      { limits: undefined },
      { lease: undefined },
      { callsMax: 0 },
    ]) {
      expect(refusalOf(() => admissionFromProto({ ...welcome, ...fields }))).toMatch(/welcome has no valid/)
    }
    for (const lease of [
      { firstSequence: 0n, count: 1 },
      { firstSequence: 1n, count: -1 },
      { firstSequence: -1n, count: 0 },
      { firstSequence: 10n ** 15n - 1n, count: 2 },
    ]) {
      expect(refusalOf(() => admissionFromProto({ ...welcome, lease }))).toMatch(/there are no such xids/)
    }
  })
})
