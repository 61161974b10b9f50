/** Random domain values for the property tests of this folder and of the transports. Not part of the program. */
import fc from 'fast-check'
import { ERROR_CODES, type ErrorCode, PledgedError } from '../base/errors.ts'
import type { Epoch, LogId, Xid } from '../base/ids.ts'
import type {
  BranchResult,
  CoordinatorMessage,
  Evidence,
  HeldBranch,
  ParticipantMessage,
  Vote,
} from '../protocol/messages.ts'
import { ABORT_CAUSES } from '../protocol/records.ts'
import {
  BRANCH_STATES,
  type BranchView,
  type PreparedBranch,
  type RequestName,
  TIMELINE_KINDS,
  TRANSACTION_STATES,
  type TransactionView,
  type XidLease,
} from '../protocol/requests.ts'
import type {
  SessionAdmission,
  SessionAnswer,
  SessionCall,
  SessionGreeting,
  SessionReply,
} from '../protocol/session-messages.ts'

/** Few of them, so that several messages are about the same. */
export const xids: fc.Arbitrary<Xid> = fc
  .integer({ min: 1, max: 6 })
  .map((sequence) => `k3f9qa7m2xw4.7-q3f9.${sequence}` as Xid)
export const participantNames = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/)
export const works = fc.uint8Array({ maxLength: 64 })
/** What a sentence may be: any well-formed text that isn't cut. */
export const texts = fc.string({ unit: 'grapheme', maxLength: 40 })
/** Up to the year 9999, which is as far as Timestamp goes. */
export const timesMs = fc.integer({ min: 0, max: 253_402_300_799_999 })
export const durationsMs = fc.integer({ min: 0, max: 2 ** 32 - 1 })

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const results = fc.constantFrom<BranchResult[]>('done', 'done_before', 'broken', 'unknown')
const evidences = fc.constantFrom<Evidence[]>('none', 'witness_committed', 'witness_aborted', 'no_witness')

export const votes: fc.Arbitrary<Vote> = fc.oneof(
  fc.record({ vote: fc.constant('yes' as const), pledgeTtlMs: optional(durationsMs) }),
  fc.record({ vote: fc.constant('no' as const), message: texts, retryable: fc.boolean() }),
  fc.record({ vote: fc.constant('read_only' as const) }),
  fc.record({ vote: fc.constant('committed' as const) }),
)

/** Another log's xid need not be well-formed. */
const heldBranches: fc.Arbitrary<HeldBranch> = fc.record({
  xid: fc.oneof(xids, texts),
  prepareTimeMs: timesMs,
  cost: optional(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 })),
  logSeenTimeMs: optional(timesMs),
})

const branches: fc.Arbitrary<BranchView> = fc.record({
  participant: participantNames,
  state: fc.constantFrom(...BRANCH_STATES),
  vote: optional(votes),
  attempts: fc.nat(),
  lastError: optional(fc.record({ message: texts, timeMs: timesMs })),
  evidence: evidences,
  cost: optional(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 })),
})

export const transactionViews: fc.Arbitrary<TransactionView> = fc.record({
  xid: xids,
  state: fc.constantFrom(...TRANSACTION_STATES),
  outcome: fc.constantFrom('pending', 'committed', 'aborted', 'unknown'),
  abortCause: optional(fc.constantFrom(...ABORT_CAUSES)),
  abortMessage: texts,
  retryable: fc.boolean(),
  branches: fc.array(branches, { maxLength: 4 }),
  heuristic: fc.boolean(),
  requestId: texts,
  attempt: fc.nat(),
  createTimeMs: timesMs,
  decideTimeMs: optional(timesMs),
  endTimeMs: optional(timesMs),
  timeline: fc.array(
    fc.record({
      timeMs: timesMs,
      participant: fc.oneof(fc.constant(''), participantNames),
      kind: fc.constantFrom(...TIMELINE_KINDS),
      message: texts,
    }),
    { maxLength: 4 },
  ),
  traceparent: texts,
})

export const requestNames: fc.Arbitrary<RequestName> = fc.record({
  requestId: fc.string({ minLength: 1, maxLength: 40 }),
  attempt: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  firstSentTimeMs: optional(timesMs),
})

export const coordinatorMessages: fc.Arbitrary<CoordinatorMessage> = fc.oneof(
  fc.record({
    type: fc.constant('prepare' as const),
    xid: xids,
    work: works,
    timeoutMs: durationsMs,
    onePhase: optional(fc.constant(true)),
  }),
  fc.record({ type: fc.constant('commit' as const), xid: xids }),
  fc.record({ type: fc.constant('abort' as const), xid: xids }),
  fc.record({ type: fc.constant('evidence_question' as const), xid: xids }),
  fc.record({ type: fc.constant('forget' as const), xid: xids }),
  fc.record({
    type: fc.constant('list_prepared' as const),
    pageSize: fc.nat({ max: 1_000 }),
    pageToken: texts,
  }),
)

export const participantMessages: fc.Arbitrary<ParticipantMessage> = fc.oneof(
  fc.record({ type: fc.constant('vote' as const), xid: xids, vote: votes }),
  fc.record({
    type: fc.constant('result' as const),
    xid: xids,
    verb: fc.constantFrom('commit' as const, 'abort' as const),
    result: results,
    message: texts,
    evidence: evidences,
  }),
  fc.record({
    type: fc.constant('evidence_answer' as const),
    xid: xids,
    evidence: evidences,
    message: texts,
  }),
  fc.record({
    type: fc.constant('held' as const),
    branches: fc.array(heldBranches, { maxLength: 5 }),
    nextPageToken: texts,
  }),
  fc.record({ type: fc.constant('scan_failed' as const), message: texts }),
  fc.record({
    type: fc.constant('admission_refused' as const),
    superseded: fc.boolean(),
    message: texts,
  }),
)

/** With whose identity sessions are opened. */
export const CALLER = 'app'

const callIds = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const counts = fc.integer({ min: 1, max: 2 ** 31 - 1 })
const resourceNames = fc.string({ unit: 'grapheme', maxLength: 40 })

const leases: fc.Arbitrary<XidLease> = fc.oneof(
  fc.record({ firstSequence: fc.nat(), count: fc.constant(0) }),
  fc.record({ firstSequence: fc.integer({ min: 1, max: 10 ** 14 }), count: counts }),
)

export const greetings: fc.Arbitrary<SessionGreeting> = fc.record({
  clientId: fc.stringMatching(/^[\x20-\x7e]{0,64}$/),
  leaseSize: fc.nat(),
})

export const admissions: fc.Arbitrary<SessionAdmission> = fc.record({
  logId: fc.constant('k3f9qa7m2xw4' as LogId),
  epoch: fc.constant('7-q3f9' as Epoch),
  workBytesMax: fc.nat(),
  batchBytesMax: fc.nat(),
  messageBytesMax: fc.nat(),
  callsMax: counts,
  lease: leases,
})

const preparedBranches: fc.Arbitrary<PreparedBranch> = fc.record({
  participant: participantNames,
  resourceId: resourceNames,
  connectionId: resourceNames,
  readOnly: optional(fc.constant(true)),
})

const execution = {
  caller: fc.constant(CALLER),
  name: optional(requestNames),
  branches: fc.array(fc.record({ participant: participantNames, work: works }), { maxLength: 4 }),
  prepareTimeoutMs: optional(durationsMs),
  waitFor: fc.constantFrom('decision' as const, 'completion' as const),
  deadlineInMs: optional(fc.integer({ min: 1, max: 2 ** 32 - 1 })),
}

export const sessionCalls: fc.Arbitrary<SessionCall> = fc.oneof(
  fc.record({ type: fc.constant('enlist' as const), callId: callIds, xid: xids, branch: preparedBranches }),
  fc.record({ type: fc.constant('execute' as const), callId: callIds, request: fc.record(execution) }),
  fc.record({
    type: fc.constant('commit' as const),
    callId: callIds,
    request: fc.record({
      ...execution,
      xid: xids,
      preparedBranches: fc.array(preparedBranches, { maxLength: 4 }),
    }),
  }),
  fc.record({ type: fc.constant('abort' as const), callId: callIds, xid: xids }),
  fc.record({
    type: fc.constant('get' as const),
    callId: callIds,
    request: fc.oneof(
      fc.record({ caller: fc.constant(CALLER), xid: xids }),
      fc.record({ caller: fc.constant(CALLER), requestId: texts }),
    ),
  }),
  fc.record({ type: fc.constant('lease' as const), count: counts }),
  fc.record({
    type: fc.constant('acknowledgement' as const),
    ending: fc.record({
      xid: xids,
      participant: participantNames,
      result: fc.constantFrom('done' as const, 'unknown' as const),
    }),
  }),
)

const refusals = fc
  .record({
    code: fc.constantFrom(...(Object.keys(ERROR_CODES) as ErrorCode[])),
    message: texts,
    metadata: fc.dictionary(fc.stringMatching(/^[a-z][a-z_]{0,19}$/), texts, {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  })
  .map(({ code, message, metadata }) => new PledgedError(code, message, { metadata }))

/** Of which all is said. */
const fullAnswers: fc.Arbitrary<SessionAnswer> = fc
  .record({
    transaction: transactionViews,
    replayed: fc.boolean(),
  })
  .map(({ transaction, replayed }) => {
    const { xid, state, outcome, abortCause, abortMessage, retryable, heuristic } = transaction
    return { xid, state, outcome, abortCause, abortMessage, retryable, heuristic, replayed, transaction }
  })

/** As most are. */
const shortAnswers: fc.Arbitrary<SessionAnswer> = fc.record({
  xid: xids,
  state: fc.constantFrom(...TRANSACTION_STATES),
  outcome: fc.constantFrom('pending', 'committed', 'aborted', 'unknown'),
  abortCause: optional(fc.constantFrom(...ABORT_CAUSES)),
  abortMessage: texts,
  retryable: fc.boolean(),
  heuristic: fc.constant(false),
  replayed: fc.boolean(),
})

export const sessionReplies: fc.Arbitrary<SessionReply> = fc.oneof(
  fc.record({ type: fc.constant('enlisted' as const), callId: callIds }),
  fc.record({ type: fc.constant('refusal' as const), callId: callIds, error: refusals }),
  fc.record({
    type: fc.constant('answer' as const),
    callId: callIds,
    answer: fc.oneof(shortAnswers, fullAnswers),
  }),
  fc.record({ type: fc.constant('lease' as const), lease: leases }),
)
