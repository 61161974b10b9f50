/** What makes a request unacceptable, each with its sentence. */
import { PledgedError } from '../base/errors.ts'
import type { Limits } from '../base/limits.ts'
import type { BranchWork, RequestName } from './requests.ts'
import type { ProtocolState, Turn } from './state.ts'

export type Refusal = PledgedError | undefined

/** Why nothing new is taken on at all. */
export function refusalOfNewWork(state: ProtocolState): Refusal {
  if (state.failure !== undefined) return state.failure
  if (state.draining) {
    return new PledgedError('DRAINING', 'the daemon is shutting down: send the request again in a moment')
  }
  const max = state.limits.transactionsInFlightMax
  if (state.transactions.size < max) return undefined
  return new PledgedError(
    'LIMIT_REACHED',
    `limits.transactions_in_flight (${max}) is reached: wait for some to finish, or raise it`,
  )
}

/** `enlisted`: participants whose branches the application prepares by itself. */
export function checkBranches(
  state: ProtocolState,
  branches: readonly BranchWork[],
  enlisted: readonly string[] = [],
): Refusal {
  const { branchesPerTransactionMax, workBytesMax } = state.limits
  const count = branches.length + enlisted.length
  if (count === 0) {
    return new PledgedError('NO_BRANCHES', 'the transaction has no branches: name at least one participant')
  }
  if (count > branchesPerTransactionMax) {
    return new PledgedError(
      'TOO_MANY_BRANCHES',
      `the transaction has ${count} branches; limits.branches_per_transaction is ${branchesPerTransactionMax}`,
    )
  }
  const names = new Set(enlisted)
  for (const { participant, work } of branches) {
    if (names.has(participant)) {
      return new PledgedError(
        'DUPLICATE_PARTICIPANT',
        `participant "${participant}" is named twice: put all its work into one branch`,
      )
    }
    names.add(participant)
    if (work.byteLength > workBytesMax) {
      return new PledgedError(
        'WORK_TOO_LARGE',
        `the work for "${participant}" has ${work.byteLength} bytes; limits.work_bytes is ${workBytesMax}`,
      )
    }
    if (state.participants.get(participant)?.known !== true) return unknownParticipant(state, participant)
  }
  return undefined
}

export function notOwner(xid: string, whom: 'caller' | 'session'): PledgedError {
  return new PledgedError('NOT_OWNER', `${xid} belongs to another ${whom}`)
}

export function unknownParticipant(state: ProtocolState, name: string): PledgedError {
  const known = [...state.participants.values()].filter((other) => other.known).map((other) => other.name)
  const list =
    known.length === 0 ? 'none is registered yet' : `registered are: ${known.toSorted().join(', ')}`
  return new PledgedError('UNKNOWN_PARTICIPANT', `there is no participant "${name}"; ${list}`)
}

export function checkDeadline(deadlineInMs: number | undefined): Refusal {
  if (deadlineInMs === undefined || deadlineInMs > 0) return undefined
  return new PledgedError(
    'DEADLINE_PASSED',
    'the deadline had passed when the request arrived; nothing was run',
  )
}

export function checkTimeout(field: string, timeoutMs: number | undefined, limits: Limits): Refusal {
  if (timeoutMs === undefined) return undefined
  if (timeoutMs > 0 && timeoutMs <= limits.prepareTimeoutMsMax) return undefined
  return new PledgedError(
    'INVALID_REQUEST',
    `${field} is ${timeoutMs} ms: it has to be more than 0 and at most ${limits.prepareTimeoutMsMax} ms`,
  )
}

export function checkName(turn: Turn, name: RequestName): Refusal {
  const { requestIdLengthMax, retentionMs } = turn.state.limits
  if (!/^[\x20-\x7e]+$/.test(name.requestId) || name.requestId.length > requestIdLengthMax) {
    return new PledgedError(
      'INVALID_REQUEST',
      `request_id has to be 1 to ${requestIdLengthMax} printable ASCII characters`,
    )
  }
  if (!Number.isSafeInteger(name.attempt) || name.attempt < 1) {
    return new PledgedError('INVALID_REQUEST', `attempt is ${name.attempt}: the first is 1`)
  }
  if (name.firstSentTimeMs === undefined) return undefined
  if (turn.now.wallMs - name.firstSentTimeMs < retentionMs) return undefined
  return new PledgedError(
    'REQUEST_TOO_OLD',
    `request_id "${name.requestId}" was first sent before what is kept (${retentionMs / 3_600_000} h): ` +
      'its outcome is unknown, and it is not run again',
  )
}

/** Of a request that this log knows nothing of: another log may have run it, after the backup was made. */
export function checkRestored({ restored }: ProtocolState, name: RequestName): Refusal {
  if (restored === undefined || name.firstSentTimeMs === undefined) return undefined
  if (name.firstSentTimeMs >= restored.timeMs) return undefined
  return new PledgedError(
    'REQUEST_TOO_OLD',
    `request_id "${name.requestId}" was first sent before this log was restored from a backup, which doesn't have it: ` +
      'its outcome is unknown, and it is not run again',
  )
}
