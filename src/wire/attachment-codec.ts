/**
 * The messages of AttachParticipant, to and from bytes. Their batches are the hot path, and written and read by hand: the items
 * of which each transaction has some. Everything else is left to the generated code.
 *
 * The numbers are tags, as in the generated code: see ByteWriter.
 */
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import {
  AdmissionRefusal,
  type AttachParticipantRequest,
  type AttachParticipantResponse,
  type CommitItem,
  type CoordinatorBatch,
  EvidenceAnswer,
  HeldPage,
  Hello,
  ListPreparedItem,
  type ParticipantBatch,
  type PrepareItem,
  type ResultItem,
  ScanFailure,
  type VoteItem,
  Welcome,
} from './generated/pledged/v1/participant_gateway_service.ts'
import { Goodbye } from './generated/pledged/v1/stream.ts'
import { streamMessage } from './stream-message.ts'

export const attachParticipantRequests = streamMessage<AttachParticipantRequest>({
  writeBatch: writeParticipantBatch,
  readBatch: readParticipantBatch,
  others: [{ $case: 'hello', tag: 10, type: Hello }],
})

export const attachParticipantResponses = streamMessage<AttachParticipantResponse>({
  writeBatch: writeCoordinatorBatch,
  readBatch: readCoordinatorBatch,
  others: [
    { $case: 'welcome', tag: 10, type: Welcome },
    { $case: 'goodbye', tag: 26, type: Goodbye },
  ],
})

function writeParticipantBatch(writer: ByteWriter, batch: ParticipantBatch): void {
  for (const item of batch.votes) writeVote(writer, item)
  for (const item of batch.results) writeResult(writer, item)
  for (const item of batch.evidenceAnswers) writer.message(26, EvidenceAnswer, item)
  if (batch.heldPage !== undefined) writer.message(34, HeldPage, batch.heldPage)
  if (batch.scanFailure !== undefined) writer.message(42, ScanFailure, batch.scanFailure)
  if (batch.admissionRefusal !== undefined) writer.message(50, AdmissionRefusal, batch.admissionRefusal)
}

function readParticipantBatch(reader: ByteReader): ParticipantBatch {
  const end = reader.open()
  const batch: ParticipantBatch = {
    votes: [],
    results: [],
    evidenceAnswers: [],
    heldPage: undefined,
    scanFailure: undefined,
    admissionRefusal: undefined,
  }
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 10) batch.votes.push(readVote(reader))
    else if (tag === 18) batch.results.push(readResult(reader))
    else if (tag === 26) batch.evidenceAnswers.push(reader.message(EvidenceAnswer))
    else if (tag === 34) batch.heldPage = reader.message(HeldPage)
    else if (tag === 42) batch.scanFailure = reader.message(ScanFailure)
    else if (tag === 50) batch.admissionRefusal = reader.message(AdmissionRefusal)
    else reader.skip(tag)
  }
  return batch
}

function writeVote(writer: ByteWriter, item: VoteItem): void {
  const start = writer.open(10)
  writer.text(10, item.xid)
  writer.int32(16, item.vote)
  writer.text(26, item.message)
  writer.bool(32, item.retryable)
  if (item.pledgeTtlMs !== undefined) writer.presentUint32(40, item.pledgeTtlMs)
  writer.close(start)
}

function readVote(reader: ByteReader): VoteItem {
  const end = reader.open()
  const item: VoteItem = { xid: '', vote: 0, message: '', retryable: false, pledgeTtlMs: undefined }
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 10) item.xid = reader.text()
    else if (tag === 16) item.vote = reader.int32() as VoteItem['vote']
    else if (tag === 26) item.message = reader.text()
    else if (tag === 32) item.retryable = reader.bool()
    else if (tag === 40) item.pledgeTtlMs = reader.uint32()
    else reader.skip(tag)
  }
  return item
}

function writeResult(writer: ByteWriter, item: ResultItem): void {
  const start = writer.open(18)
  writer.text(10, item.xid)
  writer.int32(16, item.decision)
  writer.int32(24, item.result)
  writer.text(34, item.message)
  writer.int32(40, item.evidence)
  writer.close(start)
}

function readResult(reader: ByteReader): ResultItem {
  const end = reader.open()
  const item: ResultItem = { xid: '', decision: 0, result: 0, message: '', evidence: 0 }
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 10) item.xid = reader.text()
    else if (tag === 16) item.decision = reader.int32() as ResultItem['decision']
    else if (tag === 24) item.result = reader.int32() as ResultItem['result']
    else if (tag === 34) item.message = reader.text()
    else if (tag === 40) item.evidence = reader.int32() as ResultItem['evidence']
    else reader.skip(tag)
  }
  return item
}

function writeCoordinatorBatch(writer: ByteWriter, batch: CoordinatorBatch): void {
  for (const item of batch.commits) writeXidItem(writer, 10, item)
  for (const item of batch.aborts) writeXidItem(writer, 18, item)
  for (const item of batch.prepares) writePrepare(writer, item)
  for (const item of batch.evidenceQuestions) writeXidItem(writer, 34, item)
  for (const item of batch.forgets) writeXidItem(writer, 42, item)
  if (batch.listPrepared !== undefined) writer.message(50, ListPreparedItem, batch.listPrepared)
}

function readCoordinatorBatch(reader: ByteReader): CoordinatorBatch {
  const end = reader.open()
  const batch: CoordinatorBatch = {
    commits: [],
    aborts: [],
    prepares: [],
    evidenceQuestions: [],
    forgets: [],
    listPrepared: undefined,
  }
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 10) batch.commits.push(readXidItem(reader))
    else if (tag === 18) batch.aborts.push(readXidItem(reader))
    else if (tag === 26) batch.prepares.push(readPrepare(reader))
    else if (tag === 34) batch.evidenceQuestions.push(readXidItem(reader))
    else if (tag === 42) batch.forgets.push(readXidItem(reader))
    else if (tag === 50) batch.listPrepared = reader.message(ListPreparedItem)
    else reader.skip(tag)
  }
  return batch
}

function writePrepare(writer: ByteWriter, item: PrepareItem): void {
  const start = writer.open(26)
  writer.text(10, item.xid)
  writer.bytes(18, item.work)
  writer.uint32(24, item.timeoutMs)
  writer.bool(32, item.onePhase)
  writer.close(start)
}

function readPrepare(reader: ByteReader): PrepareItem {
  const end = reader.open()
  let xid = ''
  let work: Uint8Array | undefined
  let timeoutMs = 0
  let onePhase = false
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 10) xid = reader.text()
    else if (tag === 18) work = reader.bytes()
    else if (tag === 24) timeoutMs = reader.uint32()
    else if (tag === 32) onePhase = reader.bool()
    else reader.skip(tag)
  }
  return { xid, work: work ?? new Uint8Array(0), timeoutMs, onePhase }
}

/** Commits, aborts, evidence questions and forgets are no more than that. */
type XidItem = CommitItem

function writeXidItem(writer: ByteWriter, tag: number, item: XidItem): void {
  const start = writer.open(tag)
  writer.text(10, item.xid)
  writer.close(start)
}

function readXidItem(reader: ByteReader): XidItem {
  const end = reader.open()
  const item: XidItem = { xid: '' }
  for (let tag = reader.tag(end); tag !== 0; tag = reader.tag(end)) {
    if (tag === 10) item.xid = reader.text()
    else reader.skip(tag)
  }
  return item
}
