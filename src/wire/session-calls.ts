/** What an application says in its session, to and from the stream's messages. */
import { assert, unreachable } from '../base/assert.ts'
import { PledgedError } from '../base/errors.ts'
import { isXid, xidOf } from '../base/ids.ts'
import type { CommitRequest, ExecuteRequest, PreparedBranch } from '../protocol/requests.ts'
import type { SessionCall, SessionReply } from '../protocol/session-messages.ts'
import { type BatchCodec, type BatchDraft, BatchOrder, ITEM_OVERHEAD_BYTES, textBytesMax } from './batch.ts'
import { branchResults } from './enums.ts'
import type * as proto from './generated/pledged/v1/transaction_service.ts'
import { SessionRequestBatch } from './generated/pledged/v1/transaction_service.ts'
import {
  type CallFacts,
  commitToProto,
  executeFromProto,
  executeToProto,
  getFromProto,
  getToProto,
  preparedBranchFromProto,
  preparedBranchToProto,
  sessionCommitFromProto,
} from './requests.ts'

/** The order in which a receiver handles the groups of a batch: that of their field numbers. */
const RANK = { enlist: 1, commit: 3, abort: 4, get: 5, acknowledgement: 7 } as const
const UINT32_MAX = 2 ** 32 - 1
const INT32_MAX = 2 ** 31 - 1

/** A call whose shape is wrong is refused by itself, and the others of its batch are not. */
export type ReceivedCall = SessionCall | Extract<SessionReply, { readonly type: 'refusal' }>

/** What is the same for all calls of a session. */
export type SessionFacts = Omit<CallFacts, 'deadlineInMs'>

export const sessionCallBatches: BatchCodec<SessionCall, proto.OpenSessionRequest> = {
  start: () => new CallDraft(),
  bytesOf,
}

class CallDraft implements BatchDraft<SessionCall, proto.OpenSessionRequest> {
  readonly #batch: SessionRequestBatch = SessionRequestBatch.create()
  readonly #order = new BatchOrder()

  add(call: SessionCall): boolean {
    // A batch asks for one lease: each is answered.
    if (call.type === 'lease' && this.#batch.leaseSize > 0) return false
    const xid = xidIn(call)
    if (xid !== undefined && !this.#order.admits(xid, rankOf(call))) return false
    addItem(this.#batch, call)
    return true
  }

  finish(): proto.OpenSessionRequest {
    return { body: { $case: 'batch', value: this.#batch } }
  }
}

/** The xid whose order counts. An execution has none yet, and a question by request_id takes whatever it finds. */
function xidIn(call: SessionCall): string | undefined {
  switch (call.type) {
    case 'enlist':
    case 'abort':
      return call.xid
    case 'commit':
      return call.request.xid
    case 'get':
      return 'xid' in call.request ? call.request.xid : undefined
    case 'acknowledgement':
      return call.ending.xid
    case 'execute':
    case 'lease':
      return undefined
    default:
      return unreachable(call)
  }
}

function rankOf(call: SessionCall): number {
  return call.type === 'execute' || call.type === 'lease' ? 0 : RANK[call.type]
}

function addItem(batch: SessionRequestBatch, call: SessionCall): void {
  switch (call.type) {
    case 'enlist':
      batch.enlists.push({
        callId: call.callId,
        xid: call.xid,
        branch: preparedBranchToProto(call.branch),
      })
      return
    case 'execute':
      batch.executes.push({
        callId: call.callId,
        request: executeToProto(call.request),
        timeoutMs: timeoutToProto(call.request.deadlineInMs),
      })
      return
    case 'commit':
      batch.commits.push({
        callId: call.callId,
        request: commitToProto(call.request),
        timeoutMs: timeoutToProto(call.request.deadlineInMs),
      })
      return
    case 'abort':
      batch.aborts.push({ callId: call.callId, xid: call.xid })
      return
    case 'get':
      batch.gets.push({ callId: call.callId, request: getToProto(call.request) })
      return
    case 'lease':
      assert(call.count >= 1, 'a lease is asked for at least one xid')
      batch.leaseSize = Math.min(call.count, INT32_MAX)
      return
    case 'acknowledgement': {
      const { xid, participant, result } = call.ending
      batch.acknowledgements.push({ xid, participant, result: branchResults.toProto(result) })
      return
    }
    default:
      unreachable(call)
  }
}

/** 0 would mean that the caller waits for ever; one whose time is up waits for the shortest that can be said. */
function timeoutToProto(deadlineInMs: number | undefined): number {
  return deadlineInMs === undefined ? 0 : Math.min(Math.max(Math.ceil(deadlineInMs), 1), UINT32_MAX)
}

/**
 * In the order in which they are to be handled. An item that is malformed comes as its refusal; an acknowledgement
 * that is, which nobody could be told, is left out: the coordinator ends by itself what it doesn't hear of.
 */
export function sessionCalls(batch: SessionRequestBatch, facts: SessionFacts): ReceivedCall[] {
  const calls: ReceivedCall[] = []
  for (const item of batch.enlists) calls.push(understood(item, enlistFromProto, facts))
  for (const item of batch.executes) calls.push(understood(item, executionFromProto, facts))
  for (const item of batch.commits) calls.push(understood(item, commitCallFromProto, facts))
  for (const item of batch.aborts) calls.push(understood(item, abortCallFromProto, facts))
  for (const item of batch.gets) calls.push(understood(item, getCallFromProto, facts))
  if (batch.leaseSize > 0) calls.push({ type: 'lease', count: batch.leaseSize })
  for (const { xid, participant, result } of batch.acknowledgements) {
    if (!isXid(xid)) continue
    const done = branchResults.fromProto(result) === 'done'
    const ending = { xid, participant, result: done ? 'done' : 'unknown' } as const
    calls.push({ type: 'acknowledgement', ending })
  }
  return calls
}

function understood<Item extends { readonly callId: number }>(
  item: Item,
  convert: (item: Item, facts: SessionFacts) => SessionCall,
  facts: SessionFacts,
): ReceivedCall {
  try {
    return convert(item, facts)
  } catch (error) {
    return { type: 'refusal', callId: item.callId, error: PledgedError.from(error) }
  }
}

function enlistFromProto({ callId, xid, branch }: proto.SessionEnlist): SessionCall {
  xidOf(xid)
  return { type: 'enlist', callId, xid, branch: preparedBranchFromProto(given('branch', branch)) }
}

function executionFromProto(item: proto.SessionExecute, facts: SessionFacts): SessionCall {
  const request = executeFromProto(given('request', item.request), timed(facts, item.timeoutMs))
  return { type: 'execute', callId: item.callId, request }
}

function commitCallFromProto(item: proto.SessionCommit, facts: SessionFacts): SessionCall {
  const request = sessionCommitFromProto(given('request', item.request), timed(facts, item.timeoutMs))
  return { type: 'commit', callId: item.callId, request }
}

function abortCallFromProto({ callId, xid }: proto.SessionAbort): SessionCall {
  xidOf(xid)
  return { type: 'abort', callId, xid }
}

function getCallFromProto({ callId, request }: proto.SessionGet, facts: SessionFacts): SessionCall {
  return { type: 'get', callId, request: getFromProto(given('request', request), facts) }
}

function timed(facts: SessionFacts, timeoutMs: number): CallFacts {
  return timeoutMs === 0 ? facts : { ...facts, deadlineInMs: timeoutMs }
}

function given<Message>(field: string, message: Message | undefined): Message {
  if (message !== undefined) return message
  throw new PledgedError('INVALID_REQUEST', `${field} is missing: a call of a session is nothing without it`)
}

function bytesOf(call: SessionCall): number {
  switch (call.type) {
    case 'enlist':
      return ITEM_OVERHEAD_BYTES + call.xid.length + preparedBranchBytes(call.branch)
    case 'execute':
      return executionBytes(call.request)
    case 'commit':
      return commitBytes(call.request)
    case 'abort':
      return ITEM_OVERHEAD_BYTES + call.xid.length
    case 'get':
      return (
        ITEM_OVERHEAD_BYTES + textBytesMax('xid' in call.request ? call.request.xid : call.request.requestId)
      )
    case 'acknowledgement':
      return ITEM_OVERHEAD_BYTES + call.ending.xid.length + textBytesMax(call.ending.participant)
    case 'lease':
      return ITEM_OVERHEAD_BYTES
    default:
      return unreachable(call)
  }
}

/** Its name, with a time, and its timeout as a duration take as much as two more items. */
function executionBytes(request: ExecuteRequest): number {
  let bytes = 3 * ITEM_OVERHEAD_BYTES + textBytesMax(request.name?.requestId ?? '')
  for (const { participant, work } of request.branches) {
    bytes += ITEM_OVERHEAD_BYTES + textBytesMax(participant) + work.byteLength
  }
  return bytes
}

function commitBytes(request: CommitRequest): number {
  let bytes = executionBytes(request) + ITEM_OVERHEAD_BYTES + request.xid.length
  for (const branch of request.preparedBranches ?? []) bytes += preparedBranchBytes(branch)
  return bytes
}

function preparedBranchBytes(branch: PreparedBranch): number {
  const { participant, resourceId, connectionId } = branch
  return (
    ITEM_OVERHEAD_BYTES + textBytesMax(participant) + textBytesMax(resourceId) + textBytesMax(connectionId)
  )
}
