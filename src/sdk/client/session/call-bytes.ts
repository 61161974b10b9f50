/** What a call takes in a message of the stream, at the most: what it may hold is bounded by this. */
import type { CommitRequest, ExecuteRequest, PreparedBranch } from '../../../protocol/requests.ts'

/** Tags, lengths and numbers of one item, at their longest. */
const OVERHEAD_BYTES = 128
/** A UTF-16 unit takes three bytes of UTF-8 at most. */
const UNIT_BYTES = 3

export function executeBytes(request: ExecuteRequest): number {
  let bytes = OVERHEAD_BYTES + textBytes(request.name?.requestId ?? '')
  for (const { participant, work } of request.branches) {
    bytes += OVERHEAD_BYTES + textBytes(participant) + work.byteLength
  }
  return bytes
}

export function commitBytes(request: CommitRequest): number {
  let bytes = executeBytes(request) + textBytes(request.xid)
  for (const branch of request.preparedBranches ?? []) bytes += branchBytes(branch)
  return bytes
}

export function enlistBytes(xid: string, branch: PreparedBranch): number {
  return OVERHEAD_BYTES + textBytes(xid) + branchBytes(branch)
}

/** Of a call that names a transaction, and no more. */
export function namingBytes(name: string): number {
  return OVERHEAD_BYTES + textBytes(name)
}

function branchBytes({ participant, resourceId, connectionId }: PreparedBranch): number {
  return OVERHEAD_BYTES + textBytes(participant) + textBytes(resourceId) + textBytes(connectionId)
}

function textBytes(text: string): number {
  return text.length * UNIT_BYTES
}
