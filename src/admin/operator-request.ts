/** What an operator orders, checked field by field. */
import { PledgedError } from '../base/errors.ts'
import { isParticipantName, parseXid } from '../base/ids.ts'
import { reasonLengthMax } from '../base/limits.ts'
import type { OperatorRequest } from '../protocol/operators/index.ts'
import type * as proto from '../wire/generated/pledged/v1/admin_service.ts'
import { decisions } from '../wire/index.ts'

/** Required: what nobody gave a reason for, nobody can judge later. */
export function reasonOf(reason: string): string {
  if (reason.trim() === '') throw invalid('reason is empty: say why, for those who read the audit later')
  return optionalReasonOf(reason)
}

export function optionalReasonOf(reason: string): string {
  if (reason.length <= reasonLengthMax) return reason
  throw invalid(`reason has ${reason.length} characters: at most ${reasonLengthMax} are kept`)
}

export function resolveRequest({ xid, decision }: proto.ResolveTransactionRequest): OperatorRequest {
  const verb = decisions.fromProto(decision)
  if (verb === undefined) throw invalid('decision is missing: DECISION_COMMIT or DECISION_ABORT')
  return { action: 'resolve_transaction', xid: xidOf(xid), decision: verb }
}

export function forgetBranchRequest(request: proto.ForgetBranchRequest): OperatorRequest {
  const decision = decisions.fromProto(request.decision)
  if (decision === undefined && request.decision !== 0) {
    throw invalid(`decision is ${request.decision}: DECISION_COMMIT, DECISION_ABORT, or left out`)
  }
  return {
    action: 'forget_branch',
    xid: xidOf(request.xid),
    participant: participantOf(request.participant),
    decision,
  }
}

export function xidOf(xid: string): string {
  parseXid(xid)
  return xid
}

export function participantOf(name: string): string {
  if (isParticipantName(name)) return name
  throw invalid(
    `participant is ${JSON.stringify(name.slice(0, 64))}, which is no name: 1 to 32 of a-z, 0-9 and '-'`,
  )
}

function invalid(message: string): PledgedError {
  return new PledgedError('INVALID_REQUEST', message)
}
