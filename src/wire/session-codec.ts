/**
 * The messages of OpenSession, to and from bytes. Their batches are the hot path, and executions and answers, of which they are
 * full, are written and read by hand. Everything else is left to the generated code.
 *
 * The numbers are tags, as in the generated code: see ByteWriter.
 */
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { Duration } from './generated/google/protobuf/duration.ts'
import { Failure, Goodbye } from './generated/pledged/v1/stream.ts'
import { type BranchWork, Transaction } from './generated/pledged/v1/transaction.ts'
import {
  type ExecuteTransactionRequest,
  type OpenSessionRequest,
  type OpenSessionResponse,
  SessionAbort,
  SessionAcknowledgement,
  type SessionAnswer,
  SessionCommit,
  SessionEnlist,
  type SessionExecute,
  SessionGet,
  SessionHello,
  type SessionRequestBatch,
  type SessionResponseBatch,
  SessionWelcome,
  XidLease,
} from './generated/pledged/v1/transaction_service.ts'
import { streamMessage } from './stream-message.ts'

const MS_PER_SECOND = 1_000
const NANOS_PER_MS = 1_000_000
const UINT32_MAX = 2 ** 32 - 1

export const openSessionRequests = streamMessage<OpenSessionRequest>({
  writeBatch: writeRequestBatch,
  readBatch: readRequestBatch,
  others: [{ $case: 'hello', tag: 10, type: SessionHello }],
})

export const openSessionResponses = streamMessage<OpenSessionResponse>({
  writeBatch: writeResponseBatch,
  readBatch: readResponseBatch,
  others: [
    { $case: 'welcome', tag: 10, type: SessionWelcome },
    { $case: 'goodbye', tag: 26, type: Goodbye },
  ],
})

function writeRequestBatch(writer: ByteWriter, batch: SessionRequestBatch): void {
  for (const item of batch.enlists) writer.message(10, SessionEnlist, item)
  for (const item of batch.executes) writeExecute(writer, item)
  for (const item of batch.commits) writer.message(26, SessionCommit, item)
  for (const item of batch.aborts) writer.message(34, SessionAbort, item)
  for (const item of batch.gets) writer.message(42, SessionGet, item)
  writer.int32(48, batch.leaseSize)
  for (const item of batch.acknowledgements) writer.message(58, SessionAcknowledgement, item)
}

function readRequestBatch(reader: ByteReader): SessionRequestBatch {
  const end = reader.open()
  const batch: SessionRequestBatch = {
    enlists: [],
    executes: [],
    commits: [],
    aborts: [],
    gets: [],
    leaseSize: 0,
    acknowledgements: [],
  }
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 18) batch.executes.push(readExecute(reader))
    else if (tag === 10) batch.enlists.push(reader.message(SessionEnlist))
    else if (tag === 26) batch.commits.push(reader.message(SessionCommit))
    else if (tag === 34) batch.aborts.push(reader.message(SessionAbort))
    else if (tag === 42) batch.gets.push(reader.message(SessionGet))
    else if (tag === 48) batch.leaseSize = reader.int32()
    else if (tag === 58) batch.acknowledgements.push(reader.message(SessionAcknowledgement))
    else reader.skip(tag)
  }
  return batch
}

function writeExecute(writer: ByteWriter, item: SessionExecute): void {
  const start = writer.open(18)
  writer.uint32(8, item.callId)
  if (item.request !== undefined) writeExecuteRequest(writer, item.request)
  writer.uint32(24, item.timeoutMs)
  writer.close(start)
}

function readExecute(reader: ByteReader): SessionExecute {
  const end = reader.open()
  const item: SessionExecute = { callId: 0, request: undefined, timeoutMs: 0 }
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 8) item.callId = reader.uint32()
    else if (tag === 18) item.request = readExecuteRequest(reader)
    else if (tag === 24) item.timeoutMs = reader.uint32()
    else reader.skip(tag)
  }
  return item
}

function writeExecuteRequest(writer: ByteWriter, request: ExecuteTransactionRequest): void {
  const start = writer.open(18)
  writer.text(10, request.requestId)
  writer.int32(16, request.attempt)
  if (request.firstSentTime !== undefined) writeTimestamp(writer, 26, request.firstSentTime)
  for (const branch of request.branches) writeBranchWork(writer, branch)
  if (request.prepareTimeout !== undefined) writeDuration(writer, 42, request.prepareTimeout)
  writer.int32(48, request.waitFor)
  writer.close(start)
}

function readExecuteRequest(reader: ByteReader): ExecuteTransactionRequest {
  const end = reader.open()
  const request: ExecuteTransactionRequest = {
    requestId: '',
    attempt: 0,
    firstSentTime: undefined,
    branches: [],
    prepareTimeout: undefined,
    waitFor: 0,
  }
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 10) request.requestId = reader.text()
    else if (tag === 16) request.attempt = reader.int32()
    else if (tag === 26) request.firstSentTime = readTimestamp(reader)
    else if (tag === 34) request.branches.push(readBranchWork(reader))
    else if (tag === 42) request.prepareTimeout = readDuration(reader)
    else if (tag === 48) request.waitFor = reader.int32() as ExecuteTransactionRequest['waitFor']
    else reader.skip(tag)
  }
  return request
}

function writeBranchWork(writer: ByteWriter, branch: BranchWork): void {
  const start = writer.open(34)
  writer.text(10, branch.participant)
  writer.bytes(18, branch.work)
  writer.close(start)
}

function readBranchWork(reader: ByteReader): BranchWork {
  const end = reader.open()
  let participant = ''
  let work: Uint8Array | undefined
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 10) participant = reader.text()
    else if (tag === 18) work = reader.bytes()
    else reader.skip(tag)
  }
  return { participant, work: work ?? new Uint8Array(0) }
}

/** Before 1970 both parts are negative, and a Date that is none throws: both as in the generated code. */
function writeTimestamp(writer: ByteWriter, tag: number, time: Date): void {
  const timeMs = time.getTime()
  const seconds = Math.trunc(timeMs / MS_PER_SECOND)
  const start = writer.open(tag)
  if (seconds >= 0 && seconds <= UINT32_MAX) writer.uint32(8, seconds)
  else writer.int64(8, BigInt(seconds))
  writer.int32(16, (timeMs % MS_PER_SECOND) * NANOS_PER_MS)
  writer.close(start)
}

function readTimestamp(reader: ByteReader): Date {
  const end = reader.open()
  let seconds = 0
  let nanos = 0
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 8) seconds = reader.int64AsNumber()
    else if (tag === 16) nanos = reader.int32()
    else reader.skip(tag)
  }
  return new Date(seconds * MS_PER_SECOND + nanos / NANOS_PER_MS)
}

function writeDuration(writer: ByteWriter, tag: number, duration: Duration): void {
  const start = writer.open(tag)
  writer.int64(8, duration.seconds)
  writer.int32(16, duration.nanos)
  writer.close(start)
}

function readDuration(reader: ByteReader): Duration {
  const end = reader.open()
  const duration: Duration = { seconds: 0n, nanos: 0 }
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 8) duration.seconds = reader.int64()
    else if (tag === 16) duration.nanos = reader.int32()
    else reader.skip(tag)
  }
  return duration
}

function writeResponseBatch(writer: ByteWriter, batch: SessionResponseBatch): void {
  for (const item of batch.answers) writeAnswer(writer, item)
  if (batch.lease !== undefined) writer.message(18, XidLease, batch.lease)
}

function readResponseBatch(reader: ByteReader): SessionResponseBatch {
  const end = reader.open()
  const batch: SessionResponseBatch = { answers: [], lease: undefined }
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 10) batch.answers.push(readAnswer(reader))
    else if (tag === 18) batch.lease = reader.message(XidLease)
    else reader.skip(tag)
  }
  return batch
}

function writeAnswer(writer: ByteWriter, item: SessionAnswer): void {
  const start = writer.open(10)
  writer.uint32(8, item.callId)
  if (item.failure !== undefined) writer.message(18, Failure, item.failure)
  writer.text(26, item.xid)
  writer.int32(32, item.outcome)
  writer.int32(40, item.abortCause)
  writer.text(50, item.abortMessage)
  writer.bool(56, item.abortRetryable)
  writer.bool(64, item.replayed)
  if (item.transaction !== undefined) writer.message(74, Transaction, item.transaction)
  writer.int32(80, item.state)
  writer.close(start)
}

function readAnswer(reader: ByteReader): SessionAnswer {
  const end = reader.open()
  const item: SessionAnswer = {
    callId: 0,
    failure: undefined,
    xid: '',
    outcome: 0,
    abortCause: 0,
    abortMessage: '',
    abortRetryable: false,
    replayed: false,
    transaction: undefined,
    state: 0,
  }
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) readAnswerField(reader, tag, item)
  return item
}

function readAnswerField(reader: ByteReader, tag: number, item: SessionAnswer): void {
  if (tag === 8) item.callId = reader.uint32()
  else if (tag === 18) item.failure = reader.message(Failure)
  else if (tag === 26) item.xid = reader.text()
  else if (tag === 32) item.outcome = reader.int32() as SessionAnswer['outcome']
  else if (tag === 40) item.abortCause = reader.int32() as SessionAnswer['abortCause']
  else if (tag === 50) item.abortMessage = reader.text()
  else if (tag === 56) item.abortRetryable = reader.bool()
  else if (tag === 64) item.replayed = reader.bool()
  else if (tag === 74) item.transaction = reader.message(Transaction)
  else if (tag === 80) item.state = reader.int32() as SessionAnswer['state']
  else reader.skip(tag)
}
