/** The hand-written codec against the generated one: what either writes and reads, the other does, too. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { attachParticipantRequests, attachParticipantResponses } from './attachment-codec.ts'
import * as gateway from './generated/pledged/v1/participant_gateway_service.ts'
import { Failure, Goodbye } from './generated/pledged/v1/stream.ts'
import { type BranchWork, Transaction } from './generated/pledged/v1/transaction.ts'
import * as sessions from './generated/pledged/v1/transaction_service.ts'
import { openSessionRequests, openSessionResponses } from './session-codec.ts'

/** Where messages are within one, by their tags. */
interface Shape {
  readonly [tag: number]: Shape
}

interface Subject<Message> {
  readonly codec: {
    readonly serialize: (message: Message) => Buffer
    readonly deserialize: (bytes: Buffer) => Message
  }
  readonly generated: {
    encode(message: Message): { finish(): Uint8Array }
    decode(bytes: Uint8Array): Message
  }
  /** With texts from these. */
  readonly messages: (texts: fc.Arbitrary<string>) => fc.Arbitrary<Message>
  readonly shape: Shape
}

const LEAF: Shape = {}
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const list = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { maxLength: 3 })

const LENGTHS = [0, 1, 39, 40, 41, 63, 64, 65, 127, 128, 129]
const wellFormed: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: fc.stringMatching(/^[a-z0-9.-]{0,40}$/) },
  { weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: 50 }) },
  { weight: 2, arbitrary: fc.constantFrom(...LENGTHS).map((length) => 'x'.repeat(length)) },
  { weight: 2, arbitrary: fc.constantFrom(...LENGTHS).map((length) => 'é'.repeat(length)) },
  // Where UTF-8 takes another byte.
  fc.constantFrom('\u007F', '\u0080', '\u07FF', '\u0800', '\uFFFF', '\u{10000}'),
  fc.constantFrom('\uFEFFmarked', 'x'.repeat(20_000), '€'.repeat(20_000), `${'x'.repeat(16_384)}𝄞`),
)
/** Half surrogate pairs among them. */
const anyTexts: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: wellFormed },
  fc.array(fc.integer({ min: 0xd7f0, max: 0xe010 })).map((codes) => String.fromCharCode(...codes)),
)

const bytes = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 64 }) },
  fc.constantFrom(0, 1, 127, 128, 20_000, 70_000).map((length) => new Uint8Array(length).fill(200)),
)
const EDGES = [0, 1, 127, 128, 16_383, 16_384, 2 ** 21 - 1, 2 ** 21, 2 ** 28 - 1, 2 ** 28, 2 ** 31 - 1]
const uint32s = fc.oneof(fc.constantFrom(...EDGES, 2 ** 31, 2 ** 32 - 1), fc.nat())
const int32s = fc.oneof(fc.constantFrom(...EDGES, -1, -128, -(2 ** 31)), fc.integer())
/** The words of an enum, and what a newer version may say. */
const words = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 5 }) },
  int32s,
) as fc.Arbitrary<never>
const int64s = fc.oneof(
  fc.constantFrom(0n, 1n, -1n, 2n ** 35n - 1n, 2n ** 35n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: 0n, max: 10_000n }),
)
const durations = fc.record({ seconds: int64s, nanos: int32s })
const times = fc.oneof(
  fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 }),
  fc.integer({ min: 0, max: 4_294_967_297_000 }),
  fc.constantFrom(0, -1, -1_000, 999, 4_294_967_295_999, 4_294_967_296_000),
)
const dates = times.map((timeMs) => new Date(timeMs))

type Texts = fc.Arbitrary<string>
type Body<Message extends { body: unknown }, Case> = Extract<Message['body'], { $case: Case }>

/** The batch, mostly. */
function bodies<Message extends { body: { $case: string; value: unknown } | undefined }>(
  batches: fc.Arbitrary<Body<Message, 'batch'> extends { value: infer Batch } ? Batch : never>,
  others: readonly Message['body'][],
): fc.Arbitrary<Message> {
  const batch = batches.map((value) => ({ $case: 'batch', value }))
  const body = fc.oneof({ weight: 8, arbitrary: batch }, fc.constantFrom<unknown>(undefined, ...others))
  return body.map((each) => ({ body: each }) as Message)
}

const xidItems = (texts: Texts) => list(fc.record({ xid: texts }))

const participantBatches = (texts: Texts): fc.Arbitrary<gateway.ParticipantBatch> =>
  fc.record({
    votes: list(
      fc.record({
        xid: texts,
        vote: words,
        message: texts,
        retryable: fc.boolean(),
        pledgeTtlMs: optional(uint32s),
      }),
    ),
    results: list(fc.record({ xid: texts, decision: words, result: words, message: texts, evidence: words })),
    evidenceAnswers: list(fc.record({ xid: texts, evidence: words, message: texts })),
    heldPage: optional(
      fc.record({ branches: fc.constant([]), nextPageToken: texts }) as fc.Arbitrary<gateway.HeldPage>,
    ),
    scanFailure: optional(fc.record({ message: texts })),
    admissionRefusal: optional(fc.record({ superseded: fc.boolean(), message: texts })),
  })

const coordinatorBatches = (texts: Texts): fc.Arbitrary<gateway.CoordinatorBatch> =>
  fc.record({
    commits: xidItems(texts),
    aborts: xidItems(texts),
    prepares: list(fc.record({ xid: texts, work: bytes, timeoutMs: uint32s, onePhase: fc.boolean() })),
    evidenceQuestions: xidItems(texts),
    forgets: xidItems(texts),
    listPrepared: optional(fc.record({ pageSize: int32s, pageToken: texts })),
  })

const preparedBranches = (texts: Texts) =>
  fc.record({ participant: texts, resourceId: texts, connectionId: texts, readOnly: fc.boolean() })

function execution(texts: Texts) {
  const branches: fc.Arbitrary<BranchWork[]> = list(fc.record({ participant: texts, work: bytes }))
  return {
    requestId: texts,
    attempt: int32s,
    firstSentTime: optional(dates),
    branches,
    prepareTimeout: optional(durations),
    waitFor: words,
  }
}

function requestBatches(texts: Texts): fc.Arbitrary<sessions.SessionRequestBatch> {
  const execute = fc.record(execution(texts))
  const commit = fc.record({
    ...execution(texts),
    xid: texts,
    preparedBranches: list(preparedBranches(texts)),
  })
  const get = fc.oneof(
    fc.constant({ key: undefined }),
    texts.map((value) => ({ key: { $case: 'xid' as const, value } })),
  )
  return fc.record({
    enlists: list(fc.record({ callId: uint32s, xid: texts, branch: optional(preparedBranches(texts)) })),
    executes: list(fc.record({ callId: uint32s, request: optional(execute), timeoutMs: uint32s })),
    commits: list(fc.record({ callId: uint32s, request: optional(commit), timeoutMs: uint32s })),
    aborts: list(fc.record({ callId: uint32s, xid: texts })),
    gets: list(fc.record({ callId: uint32s, request: optional(get) })),
    leaseSize: int32s,
    acknowledgements: list(fc.record({ xid: texts, participant: texts, result: words })),
  })
}

function responseBatches(texts: Texts): fc.Arbitrary<sessions.SessionResponseBatch> {
  const failures = fc
    .record({ reason: texts, message: texts, key: wellFormed })
    .map(({ reason, message, key }) => Failure.fromPartial({ reason, message, metadata: { [key]: message } }))
  const transactions = fc
    .record({ xid: texts, createTime: dates, participant: texts, attempts: int32s })
    .map(({ xid, createTime, participant, attempts }) =>
      Transaction.fromPartial({ xid, createTime, branches: [{ participant, attempts }] }),
    )
  const answer = fc.record({
    callId: uint32s,
    failure: optional(failures),
    xid: texts,
    outcome: words,
    abortCause: words,
    abortMessage: texts,
    abortRetryable: fc.boolean(),
    replayed: fc.boolean(),
    transaction: optional(transactions),
    state: words,
  })
  return fc.record({
    answers: list(answer),
    lease: optional(fc.record({ firstSequence: int64s, count: int32s })),
  })
}

const goodbye = {
  $case: 'goodbye' as const,
  value: Goodbye.fromPartial({ reason: 'à bientôt', retryAfter: {} }),
}

const subjects = {
  OpenSessionRequest: {
    codec: openSessionRequests,
    generated: sessions.OpenSessionRequest,
    messages: (texts) =>
      bodies<sessions.OpenSessionRequest>(requestBatches(texts), [
        { $case: 'hello', value: sessions.SessionHello.fromPartial({ clientId: 'c', leaseSize: -5 }) },
      ]),
    shape: {
      10: LEAF,
      18: {
        10: { 26: LEAF },
        18: { 18: { 26: LEAF, 34: LEAF, 42: LEAF } },
        26: { 18: { 34: LEAF, 42: LEAF, 50: LEAF } },
        34: LEAF,
        42: { 18: LEAF },
        58: LEAF,
      },
    },
  } satisfies Subject<sessions.OpenSessionRequest>,
  OpenSessionResponse: {
    codec: openSessionResponses,
    generated: sessions.OpenSessionResponse,
    messages: (texts) =>
      bodies<sessions.OpenSessionResponse>(responseBatches(texts), [
        goodbye,
        {
          $case: 'welcome',
          value: sessions.SessionWelcome.fromPartial({ logId: 'l', limits: {}, lease: {} }),
        },
      ]),
    shape: { 10: LEAF, 18: { 10: { 18: { 26: LEAF }, 74: LEAF }, 18: LEAF }, 26: { 18: LEAF } },
  } satisfies Subject<sessions.OpenSessionResponse>,
  AttachParticipantRequest: {
    codec: attachParticipantRequests,
    generated: gateway.AttachParticipantRequest,
    messages: (texts) =>
      bodies<gateway.AttachParticipantRequest>(participantBatches(texts), [
        { $case: 'hello', value: gateway.Hello.fromPartial({ name: 'ledger', keepsWitnesses: true }) },
      ]),
    shape: { 10: LEAF, 18: { 10: LEAF, 18: LEAF, 26: LEAF, 34: { 10: LEAF }, 42: LEAF, 50: LEAF } },
  } satisfies Subject<gateway.AttachParticipantRequest>,
  AttachParticipantResponse: {
    codec: attachParticipantResponses,
    generated: gateway.AttachParticipantResponse,
    messages: (texts) =>
      bodies<gateway.AttachParticipantResponse>(coordinatorBatches(texts), [
        goodbye,
        { $case: 'welcome', value: gateway.Welcome.fromPartial({ epoch: '7', limits: {} }) },
      ]),
    shape: {
      10: LEAF,
      18: { 10: LEAF, 18: LEAF, 26: LEAF, 34: LEAF, 42: LEAF, 50: LEAF },
      26: { 18: LEAF },
    },
  } satisfies Subject<gateway.AttachParticipantResponse>,
}

const each = Object.entries(subjects) as unknown as [string, Subject<unknown>][]

/** The message, or that there is none: with which words is the decoder's own. */
function read(decode: () => unknown): unknown {
  try {
    return { message: decode() }
  } catch (error) {
    expect(error).toBeInstanceOf(Error)
    return 'refused'
  }
}

function expectSameReading({ codec, generated }: Subject<unknown>, encoded: Uint8Array): void {
  const whole = Buffer.from(encoded)
  expect(read(() => codec.deserialize(whole))).toStrictEqual(read(() => generated.decode(whole)))
}

/** As messages of a newer version are, or of another encoder: every field in any order, and others between. */
function disturbed(encoded: Uint8Array, shape: Shape, chance: fc.GeneratorValue): Uint8Array {
  const reader = new BinaryReader(encoded)
  const fields: { order: number; field: Uint8Array }[] = []
  const put = (field: Uint8Array) => fields.push({ order: chance(fc.nat), field })
  while (reader.pos < reader.len) {
    const start = reader.pos
    const [number, type] = reader.tag()
    const tag = number * 8 + type
    const inner = shape[tag]
    if (inner === undefined) {
      reader.skip(type)
      put(encoded.subarray(start, reader.pos))
    } else {
      put(
        new BinaryWriter()
          .uint32(tag)
          .bytes(disturbed(reader.bytes(), inner, chance))
          .finish(),
      )
    }
  }
  for (const field of chance(() => fc.array(strangeFields, { maxLength: 2 }))) put(field)
  return Buffer.concat(fields.toSorted((a, b) => a.order - b.order).map(({ field }) => field))
}

/** A tag 0 and the end of a group that nobody began among them. */
const strangeFields: fc.Arbitrary<Uint8Array> = fc
  .record({
    number: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(0, 16, 100, 2 ** 29 - 1)),
    content: fc.oneof(
      fc.record({ type: fc.constantFrom(WireType.EndGroup, WireType.Varint), bytes: fc.constant([0]) }),
      fc.record({ type: fc.constant(WireType.Varint), bytes: fc.constantFrom([0], [1], [0xff, 0x01]) }),
      fc.record({ type: fc.constant(WireType.Bit64), bytes: fc.constant(Array(8).fill(7)) }),
      fc.record({ type: fc.constant(WireType.Bit32), bytes: fc.constant(Array(4).fill(7)) }),
      // A text of one letter, and one that isn't UTF-8.
      fc.record({
        type: fc.constant(WireType.LengthDelimited),
        bytes: fc.constantFrom([0], [1, 65], [2, 0xc3, 65]),
      }),
      // A group that ends, and one whose end has another number.
      fc.record({
        type: fc.constant(WireType.StartGroup),
        bytes: fc.constantFrom([0x0c], [8, 1, 0x13, 0x14, 0x0c]),
      }),
    ),
  })
  .map(({ number, content }) =>
    new BinaryWriter()
      .uint32(((number << 3) | content.type) >>> 0)
      .raw(Uint8Array.from(content.bytes))
      .finish(),
  )

/** Wrong in one place. */
const wrongs = fc.record({
  place: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  kind: fc.constantFrom('change', 'change', 'remove', 'insert', 'cut'),
  byte: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x0b, 0x0c)),
})

type Wrong = typeof wrongs extends fc.Arbitrary<infer Value> ? Value : never

function spoilt(encoded: Uint8Array, all: readonly Wrong[]): Uint8Array {
  const result = [...encoded]
  for (const { place, kind, byte } of all) {
    const at = Math.floor(place * result.length)
    if (kind === 'cut') result.length = at
    else if (kind === 'insert') result.splice(at, 0, byte)
    else if (kind === 'remove') result.splice(at, 1)
    else if (at < result.length) result[at] = byte
  }
  return Uint8Array.from(result)
}

describe.each(each)('the codec of %s', (_name, subject) => {
  const { codec, generated, messages, shape } = subject
  const encode = (message: unknown): Buffer => Buffer.from(generated.encode(message).finish())

  it('writes what the generated code writes, byte for byte', () => {
    fc.assert(
      fc.property(messages(anyTexts), (message) => {
        expect(codec.serialize(message).equals(encode(message))).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('reads what the generated code wrote', () => {
    fc.assert(
      fc.property(messages(wellFormed), (message) => {
        const encoded = encode(message)
        expect(codec.deserialize(encoded)).toStrictEqual(generated.decode(encoded))
        expect(codec.deserialize(encoded)).toEqual(bytesAsBuffers(message))
      }),
      { numRuns: 300 },
    )
  })

  it('reads fields in any order, given twice, and unknown ones, as the generated code does', () => {
    fc.assert(
      fc.property(messages(anyTexts), messages(wellFormed), fc.gen(), (message, other, chance) => {
        const both = Buffer.concat([encode(message), encode(other)])
        expectSameReading(subject, disturbed(both, shape, chance))
      }),
      { numRuns: 500 },
    )
  })

  it('reads wrong bytes, or refuses them, as the generated code does', () => {
    const seed = fc.array(wrongs, { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(messages(fc.string({ maxLength: 12 })), seed, (message, all) => {
        expectSameReading(subject, spoilt(encode(message), all))
      }),
      { numRuns: 2_000 },
    )
    const soup = fc.array(fc.constantFrom(0, 1, 2, 3, 8, 10, 11, 12, 16, 18, 24, 26, 34, 42, 48, 0x80, 0xff))
    fc.assert(
      fc.property(soup, (all) => expectSameReading(subject, Uint8Array.from(all))),
      { numRuns: 2_000 },
    )
  })

  it('reads every beginning of a message as the generated code does', () => {
    fc.assert(
      fc.property(messages(fc.string({ maxLength: 5 })), (message) => {
        const encoded = encode(message).subarray(0, 300)
        for (let end = 0; end < encoded.length; end += 1) {
          expectSameReading(subject, encoded.subarray(0, end))
        }
      }),
      { numRuns: 15 },
    )
  })
})

/** What a window on a Buffer is. */
function bytesAsBuffers(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.length === 0 ? value : Buffer.from(value)
  if (Array.isArray(value)) return value.map(bytesAsBuffers)
  if (value === null || typeof value !== 'object' || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, bytesAsBuffers(inner)]))
}

describe('the writing of messages', () => {
  const { serialize, deserialize } = openSessionRequests
  const batchOf = (item: Partial<sessions.SessionExecute>, leaseSize = 0): sessions.OpenSessionRequest => {
    const execute = { callId: 1, request: undefined, timeoutMs: 0, ...item }
    const value = { ...sessions.SessionRequestBatch.create(), executes: [execute], leaseSize }
    return { body: { $case: 'batch', value } }
  }
  const seconds = (count: bigint): sessions.OpenSessionRequest => {
    const prepareTimeout = { seconds: count, nanos: 0 }
    return batchOf({ request: { ...sessions.ExecuteTransactionRequest.create(), prepareTimeout } })
  }

  it('refuses numbers that the field has no room for, as the generated code does, and goes on', () => {
    const firstSentTime = new Date(Number.NaN)
    const wrong = [
      ...[-1, 1.5, Number.NaN, 2 ** 32].map((callId) => batchOf({ callId })),
      ...[0.5, Number.NaN, 2 ** 31, -(2 ** 31) - 1].map((leaseSize) => batchOf({}, leaseSize)),
      ...[2n ** 63n, -(2n ** 63n) - 1n].map(seconds),
      batchOf({ request: { ...sessions.ExecuteTransactionRequest.create(), firstSentTime } }),
    ]
    for (const message of wrong) {
      expect(() => sessions.OpenSessionRequest.encode(message)).toThrow(Error)
      expect(() => serialize(message)).toThrow(Error)
      expect(deserialize(serialize(batchOf({ callId: 7 })))).toEqual(batchOf({ callId: 7 }))
    }
  })

  it('gives bytes that the next message leaves alone, however long either is', () => {
    const work = (length: number) => new Uint8Array(length).fill(length % 251)
    const messages = [10, 70_000, 3, 3_000_000, 5].map((length) => {
      const branches = [{ participant: 'sink', work: work(length) }]
      return batchOf({ request: { ...sessions.ExecuteTransactionRequest.create(), branches } })
    })
    const written = messages.map(serialize)
    for (const [index, message] of messages.entries()) {
      expect(written[index]?.equals(sessions.OpenSessionRequest.encode(message).finish())).toBe(true)
    }
  })
})
