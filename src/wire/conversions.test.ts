import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import type { Epoch, LogId } from '../base/ids.ts'
import {
  durationsMs,
  participantNames,
  requestNames,
  texts,
  timesMs,
  transactionViews,
  votes,
  works,
  xids,
} from './arbitraries.ts'
import {
  goodbyeFromProto,
  goodbyeToProto,
  helloFromProto,
  helloToProto,
  welcomeFromProto,
  welcomeToProto,
} from './attachment.ts'
import { Hello, Welcome } from './generated/pledged/v1/participant_gateway_service.ts'
import { PrepareBranchResponse } from './generated/pledged/v1/participant_service.ts'
import { Goodbye } from './generated/pledged/v1/stream.ts'
import { Transaction } from './generated/pledged/v1/transaction.ts'
import {
  AbortTransactionRequest,
  BeginTransactionRequest,
  CommitTransactionRequest,
  ExecuteTransactionRequest,
  GetTransactionRequest,
} from './generated/pledged/v1/transaction_service.ts'
import {
  abortFromProto,
  abortToProto,
  beginFromProto,
  beginToProto,
  commitFromProto,
  commitToProto,
  executeFromProto,
  executeToProto,
  getFromProto,
  getToProto,
} from './requests.ts'
import { boundedText, TEXT_LENGTH_MAX } from './text.ts'
import { fromDuration, fromTimestamp, toDuration } from './time.ts'
import { answerFromProto, transactionFromProto, transactionToProto } from './transactions.ts'
import { voteFromProto, voteToProto } from './votes.ts'

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const facts = fc.record({
  caller: texts,
  deadlineInMs: optional(durationsMs),
  traceparent: optional(texts),
})
const executes = fc.record({
  name: optional(requestNames),
  branches: fc.array(fc.record({ participant: participantNames, work: works }), { maxLength: 4 }),
  prepareTimeoutMs: optional(durationsMs),
  waitFor: fc.constantFrom('decision' as const, 'completion' as const),
})

/** A generated message type. */
interface Codec<Message> {
  encode(message: Message): { finish(): Uint8Array }
  decode(bytes: Uint8Array): Message
}

/** Over the wire and back. */
function carried<Message>(codec: Codec<Message>, message: Message): Message {
  return codec.decode(codec.encode(message).finish())
}

describe('round trips', () => {
  it('carries a transaction', () => {
    fc.assert(
      fc.property(transactionViews, (view) => {
        expect(transactionFromProto(carried(Transaction, transactionToProto(view)))).toEqual(view)
      }),
    )
  })

  it('carries an execute', () => {
    fc.assert(
      fc.property(executes, facts, (execute, call) => {
        const request = { ...call, ...execute }
        const message = carried(ExecuteTransactionRequest, executeToProto(request))
        expect(executeFromProto(message, call)).toEqual(request)
      }),
    )
  })

  it('carries a commit', () => {
    fc.assert(
      fc.property(executes, facts, xids, (execute, call, xid) => {
        const request = { ...call, ...execute, xid }
        const message = carried(CommitTransactionRequest, commitToProto(request))
        expect(commitFromProto(message, call)).toEqual(request)
      }),
    )
  })

  it('carries a begin, an abort and both kinds of get', () => {
    const caller = 'app'
    fc.assert(
      fc.property(optional(durationsMs), xids, texts, (idleTimeoutMs, xid, requestId) => {
        const begin = { caller, idleTimeoutMs }
        expect(beginFromProto(carried(BeginTransactionRequest, beginToProto(begin)), { caller })).toEqual(
          begin,
        )
        const abort = { caller, xid }
        expect(abortFromProto(carried(AbortTransactionRequest, abortToProto(abort)), { caller })).toEqual(
          abort,
        )
        for (const get of [
          { caller, xid },
          { caller, requestId },
        ]) {
          expect(getFromProto(carried(GetTransactionRequest, getToProto(get)), { caller })).toEqual(get)
        }
      }),
    )
  })

  it('carries a vote', () => {
    fc.assert(
      fc.property(votes, (vote) => {
        expect(voteFromProto(carried(PrepareBranchResponse, voteToProto(vote)))).toEqual(vote)
      }),
    )
  })

  it('carries hello, welcome and goodbye', () => {
    const names = fc.string({ minLength: 1, maxLength: 256 })
    const identities = fc.record({
      name: participantNames,
      kind: names,
      instanceId: names,
      resourceId: names,
      keepsWitnesses: fc.boolean(),
    })
    const farewells = fc.record({ reason: texts, retryAfterMs: optional(durationsMs) })
    fc.assert(
      fc.property(identities, farewells, fc.nat(), (identity, farewell, bytes) => {
        expect(helloFromProto(carried(Hello, helloToProto(identity)))).toEqual(identity)
        expect(goodbyeFromProto(carried(Goodbye, goodbyeToProto(farewell)))).toEqual(farewell)
        const admission = {
          logId: 'k3f9qa7m2xw4' as LogId,
          epoch: '7-q3f9' as Epoch,
          workBytesMax: bytes,
          batchBytesMax: bytes,
        }
        expect(welcomeFromProto(carried(Welcome, welcomeToProto(admission)))).toEqual(admission)
      }),
    )
  })

  it('carries times, and durations with their fractions', () => {
    fc.assert(
      fc.property(timesMs, fc.integer({ min: -1e9, max: 1e9 }), (timeMs, microseconds) => {
        expect(fromTimestamp('time', new Date(timeMs))).toBe(timeMs)
        expect(fromDuration('duration', toDuration(microseconds / 1_000))).toBeCloseTo(
          microseconds / 1_000,
          6,
        )
      }),
    )
    expect(toDuration(999.999_999_9)).toEqual({ seconds: 1n, nanos: 0 })
  })
})

describe('refusals', () => {
  const call = { caller: 'app' }
  const execute = ExecuteTransactionRequest.fromPartial({ branches: [{ participant: 'sink' }] })
  const xid = 'k3f9qa7m2xw4.7-q3f9.1042'

  function refusal(run: () => unknown): string {
    try {
      run()
    } catch (error) {
      if (error instanceof PledgedError) return `${error.code}: ${error.message}`
      throw error
    }
    return 'accepted'
  }

  it('names a malformed xid', () => {
    for (const bad of ['', '7.1042', 'k3f9qa7m2xw4.7-q3f9.0', `${xid} `]) {
      expect(
        refusal(() => commitFromProto(CommitTransactionRequest.fromPartial({ xid: bad }), call)),
      ).toMatch(/^MALFORMED_XID: .*is not an xid/)
      expect(refusal(() => abortFromProto({ xid: bad }, call))).toMatch(/^MALFORMED_XID/)
      expect(refusal(() => getFromProto({ key: { $case: 'xid', value: bad } }, call))).toMatch(
        /^MALFORMED_XID/,
      )
    }
  })

  it('names the field that is out of its range', () => {
    const cases: [Parameters<typeof ExecuteTransactionRequest.fromPartial>[0], RegExp][] = [
      [{ requestId: 'r', attempt: -1 }, /attempt is -1/],
      [{ attempt: 2 }, /attempt and first_sent_time belong to a request_id/],
      [{ firstSentTime: new Date(1) }, /belong to a request_id/],
      [{ requestId: 'r', firstSentTime: new Date(Number.NaN) }, /first_sent_time isn't a time/],
      [{ prepareTimeout: { seconds: 1n, nanos: -1 } }, /prepare_timeout isn't a valid/],
      [{ prepareTimeout: { seconds: 1n << 60n, nanos: 0 } }, /prepare_timeout isn't a valid/],
      [{ prepareTimeout: { seconds: 0n, nanos: 1e9 } }, /prepare_timeout isn't a valid/],
      [{ waitFor: 9 as never }, /wait_for is 9/],
    ]
    for (const [fields, sentence] of cases) {
      const message = { ...execute, ...ExecuteTransactionRequest.fromPartial(fields) }
      const text = refusal(() => executeFromProto(message, call))
      expect(text).toMatch(/^INVALID_REQUEST: /)
      expect(text).toMatch(sentence)
    }
    expect(refusal(() => getFromProto({ key: undefined }, call))).toMatch(/^INVALID_REQUEST: key is missing/)
  })

  it('refuses prepared branches outside of a session (R12)', () => {
    const preparedBranches = [{ participant: 'ledger', resourceId: 'r', connectionId: '7' }]
    const message = CommitTransactionRequest.fromPartial({ xid, preparedBranches })
    expect(refusal(() => commitFromProto(message, call))).toMatch(/^INVALID_REQUEST: .*only over OpenSession/)
  })

  it('takes attempt 0 for the first, and no wait_for for the decision', () => {
    const message = ExecuteTransactionRequest.fromPartial({ requestId: 'r' })
    expect(executeFromProto(message, call)).toMatchObject({
      name: { requestId: 'r', attempt: 1 },
      waitFor: 'decision',
    })
  })

  it('names what is wrong with a hello', () => {
    const hello = helloToProto({
      name: 'sink',
      kind: 'sqlite',
      instanceId: 'i',
      resourceId: 'r',
      keepsWitnesses: true,
    })
    expect(refusal(() => helloFromProto(hello))).toBe('accepted')
    expect(refusal(() => helloFromProto({ ...hello, name: 'Sink' }))).toMatch(/hello.name is "Sink"/)
    expect(refusal(() => helloFromProto({ ...hello, resourceId: '' }))).toMatch(/hello.resource_id has 0/)
    expect(refusal(() => helloFromProto({ ...hello, kind: 'k'.repeat(257) }))).toMatch(/hello.kind has 257/)
    expect(refusal(() => helloFromProto({ ...hello, protocolVersion: 2 }))).toMatch(/protocol_version is 2/)
  })

  it('never rounds a word that it does not know', () => {
    const known = transactionToProto({
      xid: xid as never,
      state: 'committing',
      outcome: 'committed',
      abortMessage: '',
      retryable: false,
      branches: [
        { participant: 'sink', state: 'committing', vote: { vote: 'yes' }, attempts: 1, evidence: 'none' },
      ],
      heuristic: false,
      requestId: '',
      attempt: 0,
      createTimeMs: 0,
      timeline: [],
      traceparent: '',
    })
    expect(transactionFromProto({ ...known, outcome: 77 as never }).outcome).toBe('unknown')
    expect(transactionFromProto({ ...known, outcome: 0 }).outcome).toBe('unknown')
    expect(refusal(() => transactionFromProto({ ...known, state: 77 as never }))).toMatch(/update the client/)
    expect(refusal(() => answerFromProto({ transaction: undefined }))).toMatch(/^INTERNAL/)
  })

  it('cuts text between characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: TEXT_LENGTH_MAX, maxLength: 1_100 }), (text) => {
        const bounded = boundedText(text)
        expect(bounded.length).toBeLessThanOrEqual(TEXT_LENGTH_MAX)
        expect(() => encodeURI(bounded)).not.toThrow()
      }),
      { numRuns: 20 },
    )
    expect(() => encodeURI(boundedText(`${'x'.repeat(TEXT_LENGTH_MAX - 2)}😀😀`))).not.toThrow()
  })
})
