/**
 * What applications ask, to and from the messages of TransactionService, of unary calls and of those in a session. The
 * shape is checked here (a field that is out of its range, an xid that isn't one); what a request means is the core's
 * to check.
 */
import { PledgedError } from '../base/errors.ts'
import { xidOf } from '../base/ids.ts'
import type {
  AbortRequest,
  BeginRequest,
  BranchWork,
  CommitRequest,
  ExecuteRequest,
  GetRequest,
  PreparedBranch,
  RequestName,
  WaitFor,
} from '../protocol/requests.ts'
import { ownBytes } from './bytes.ts'
import { waits } from './enums.ts'
import {
  type PreparedBranch as ProtoPreparedBranch,
  WaitFor as ProtoWaitFor,
} from './generated/pledged/v1/transaction.ts'
import type * as proto from './generated/pledged/v1/transaction_service.ts'
import {
  fromOptionalDuration,
  fromOptionalTimestamp,
  toOptionalDuration,
  toOptionalTimestamp,
} from './time.ts'

/** Characters of a resource id, and of a connection id: as in a participant's hello. */
const RESOURCE_NAME_LENGTH_MAX = 256

/** What the transport knows of a call, apart from its message. */
export interface CallFacts {
  /** The identity that request ids and begun transactions belong to. */
  readonly caller: string
  /** Milliseconds until the caller stops waiting. */
  readonly deadlineInMs?: number | undefined
  /** The W3C trace context. */
  readonly traceparent?: string | undefined
}

export function executeToProto(request: ExecuteRequest): proto.ExecuteTransactionRequest {
  return {
    ...nameToProto(request.name),
    branches: request.branches.map(branchWorkToProto),
    prepareTimeout: toOptionalDuration(request.prepareTimeoutMs),
    waitFor: waits.toProto(request.waitFor),
  }
}

export function executeFromProto(message: proto.ExecuteTransactionRequest, facts: CallFacts): ExecuteRequest {
  return {
    ...facts,
    name: nameFromProto(message),
    branches: message.branches.map(branchWorkFromProto),
    prepareTimeoutMs: fromOptionalDuration('prepare_timeout', message.prepareTimeout),
    waitFor: waitForFromProto(message.waitFor),
  }
}

export function beginToProto(request: BeginRequest): proto.BeginTransactionRequest {
  return { idleTimeout: toOptionalDuration(request.idleTimeoutMs) }
}

export function beginFromProto(message: proto.BeginTransactionRequest, facts: CallFacts): BeginRequest {
  return {
    caller: facts.caller,
    idleTimeoutMs: fromOptionalDuration('idle_timeout', message.idleTimeout),
    traceparent: facts.traceparent,
  }
}

export function commitToProto(request: CommitRequest): proto.CommitTransactionRequest {
  const preparedBranches = (request.preparedBranches ?? []).map(preparedBranchToProto)
  return { ...executeToProto(request), xid: request.xid, preparedBranches }
}

/** Of a unary call. */
export function commitFromProto(message: proto.CommitTransactionRequest, facts: CallFacts): CommitRequest {
  // R12: they are enlisted on a session first, so that what the application leaves behind is found.
  if (message.preparedBranches.length > 0) {
    throw new PledgedError(
      'INVALID_REQUEST',
      'prepared_branches are refused in a unary CommitTransaction: they exist only over OpenSession, where they ' +
        'are enlisted before they prepare; send the work in branches instead',
    )
  }
  return commitWithoutPrepared(message, facts)
}

/** Of a session's call. */
export function sessionCommitFromProto(
  message: proto.CommitTransactionRequest,
  facts: CallFacts,
): CommitRequest {
  const preparedBranches = message.preparedBranches.map(preparedBranchFromProto)
  return { ...commitWithoutPrepared(message, facts), preparedBranches }
}

function commitWithoutPrepared(message: proto.CommitTransactionRequest, facts: CallFacts): CommitRequest {
  xidOf(message.xid)
  return { ...executeFromProto(message, facts), xid: message.xid }
}

export function preparedBranchToProto(branch: PreparedBranch): ProtoPreparedBranch {
  const { participant, resourceId, connectionId, readOnly = false } = branch
  return { participant, resourceId, connectionId, readOnly }
}

/** Throws INVALID_REQUEST with the field that is too long. */
export function preparedBranchFromProto(message: ProtoPreparedBranch): PreparedBranch {
  const { participant, resourceId, connectionId, readOnly } = message
  requireResourceName('resource_id', resourceId)
  requireResourceName('connection_id', connectionId)
  const branch = { participant, resourceId, connectionId }
  return readOnly ? { ...branch, readOnly } : branch
}

/** Throws INVALID_REQUEST with the field, where it is too long. */
export function requireResourceName(field: 'resource_id' | 'connection_id', value: string): void {
  if (value.length <= RESOURCE_NAME_LENGTH_MAX) return
  throw new PledgedError(
    'INVALID_REQUEST',
    `${field} of a prepared branch has ${value.length} characters: it may have ${RESOURCE_NAME_LENGTH_MAX}`,
  )
}

export function abortToProto(request: AbortRequest): proto.AbortTransactionRequest {
  return { xid: request.xid }
}

export function abortFromProto(message: proto.AbortTransactionRequest, facts: CallFacts): AbortRequest {
  xidOf(message.xid)
  return { caller: facts.caller, xid: message.xid }
}

export function getToProto(request: GetRequest): proto.GetTransactionRequest {
  return 'xid' in request
    ? { key: { $case: 'xid', value: request.xid } }
    : { key: { $case: 'requestId', value: request.requestId } }
}

export function getFromProto(message: proto.GetTransactionRequest, facts: CallFacts): GetRequest {
  const { caller } = facts
  if (message.key === undefined) {
    throw new PledgedError('INVALID_REQUEST', 'key is missing: name the transaction by xid or by request_id')
  }
  if (message.key.$case === 'requestId') return { caller, requestId: message.key.value }
  xidOf(message.key.value)
  return { caller, xid: message.key.value }
}

interface NameFields {
  requestId: string
  attempt: number
  firstSentTime: Date | undefined
}

function nameToProto(name: RequestName | undefined): NameFields {
  if (name === undefined) return { requestId: '', attempt: 0, firstSentTime: undefined }
  const { requestId, attempt } = name
  return { requestId, attempt, firstSentTime: toOptionalTimestamp(name.firstSentTimeMs) }
}

function nameFromProto(fields: NameFields): RequestName | undefined {
  const { requestId } = fields
  if (requestId === '') {
    if (fields.attempt === 0 && fields.firstSentTime === undefined) return undefined
    throw new PledgedError(
      'INVALID_REQUEST',
      'attempt and first_sent_time belong to a request_id, which is missing: send it, or none of the three',
    )
  }
  if (fields.attempt < 0) {
    throw new PledgedError('INVALID_REQUEST', `attempt is ${fields.attempt}: the first is 1`)
  }
  return {
    requestId,
    attempt: fields.attempt === 0 ? 1 : fields.attempt,
    firstSentTimeMs: fromOptionalTimestamp('first_sent_time', fields.firstSentTime),
  }
}

function branchWorkToProto(branch: BranchWork): { participant: string; work: Uint8Array } {
  return { participant: branch.participant, work: branch.work }
}

function branchWorkFromProto(branch: { participant: string; work: Uint8Array }): BranchWork {
  return { participant: branch.participant, work: ownBytes(branch.work) }
}

function waitForFromProto(value: ProtoWaitFor): WaitFor {
  if (value === ProtoWaitFor.UNSPECIFIED) return 'decision'
  const waitFor = waits.fromProto(value)
  if (waitFor !== undefined) return waitFor
  throw new PledgedError(
    'INVALID_REQUEST',
    `wait_for is ${value}: it has to be WAIT_FOR_DECISION or WAIT_FOR_COMPLETION`,
  )
}
