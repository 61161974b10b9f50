/** What the client's calls have in common before anything is sent: their options are checked, and the request is named. */
import { assert } from '../../base/assert.ts'
import { PledgedError } from '../../base/errors.ts'
import type { Clock, Random } from '../../base/ports.ts'
import type { RequestName } from '../../protocol/requests.ts'
import { isSecurityFailure } from '../../wire/index.ts'
import type { ExecuteOptions } from './coordinator.ts'
import { drawRequestId } from './request-id.ts'
import { type Branch, encodeWork } from './work.ts'

/** Bytes of a request apart from its work, generously. */
const REQUEST_OVERHEAD_BYTES = 64 << 10

type NameOptions = Pick<ExecuteOptions, 'requestId' | 'attempt' | 'firstSentTime' | 'prepareTimeoutMs'>

/** Throws INVALID_REQUEST where an option is out of range. */
export function requestNameOf(
  options: NameOptions,
  ports: { readonly clock: Clock; readonly random: Random },
): Required<RequestName> {
  const { attempt = 1, firstSentTime } = options
  requireCount('attempt', attempt, 1)
  if (options.prepareTimeoutMs !== undefined) requireTimeout('prepareTimeoutMs', options.prepareTimeoutMs)
  const firstSentTimeMs = firstSentTime?.getTime() ?? ports.clock.wallMs()
  if (Number.isNaN(firstSentTimeMs)) throw invalid('firstSentTime is not a valid date')
  return { requestId: options.requestId ?? drawRequestId(ports), attempt, firstSentTimeMs }
}

export function requireTimeout(field: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return
  throw invalid(`${field} is ${value}: it has to be a positive number of milliseconds`)
}

export function requireCount(field: string, value: number, min: number): void {
  assert(min >= 0, 'counts have no sign')
  if (Number.isSafeInteger(value) && value >= min && value < 2 ** 31) return
  throw invalid(`${field} is ${value}: it has to be an integer from ${min}`)
}

/** Throws INVALID_REQUEST where it is no branch, or its work has no encoding. */
export function encodeBranch(branch: Branch): { participant: string; work: Uint8Array } {
  if (typeof branch !== 'object' || branch === null || typeof branch.participant !== 'string') {
    throw invalid('a branch is { participant, work }, and participant a string')
  }
  return { participant: branch.participant, work: encodeWork(branch) }
}

/** Throws WORK_TOO_LARGE where the work of all branches doesn't fit into one request. */
export function requireRoom(branches: readonly { readonly work: Uint8Array }[], bytesMax: number): void {
  let bytes = REQUEST_OVERHEAD_BYTES
  for (const { work } of branches) bytes += work.byteLength
  if (bytes <= bytesMax) return
  throw new PledgedError(
    'WORK_TOO_LARGE',
    `the branches' work takes ${bytes} bytes together; a request carries ${bytesMax}: split the transaction`,
  )
}

export function invalid(message: string): PledgedError {
  return new PledgedError('INVALID_REQUEST', message)
}

export function closedError(): PledgedError {
  return new PledgedError('UNAVAILABLE', 'this client was closed: connect() makes another')
}

/** Nothing was sent in the caller's time. `lastError` may say why. */
export function neverReachedError(
  address: string,
  timeoutMs: number,
  lastError: PledgedError | undefined,
): PledgedError {
  if (lastError !== undefined && (lastError.code !== 'UNAVAILABLE' || isSecurityFailure(lastError)))
    return lastError
  return new PledgedError(
    'UNAVAILABLE',
    `no connection to ${address} within ${timeoutMs} ms; nothing was sent: is the daemon running there? ` +
      'Start it with `pledged serve`, or name its address by the option `address` or by PLEDGED_ADDRESS',
    { cause: lastError },
  )
}
