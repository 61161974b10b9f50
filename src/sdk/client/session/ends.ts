/** Why a call of a session ended without an answer, in a sentence. */
import { PledgedError } from '../../../base/errors.ts'
import type { Scope } from '../scope.ts'

/** Nothing was sent: no session was opened in time. */
export function unreachableError(address: string, cause?: PledgedError): PledgedError {
  return new PledgedError(
    'UNAVAILABLE',
    `the daemon at ${address} can't be reached (no session was opened in time): is it running, and is this its address?`,
    cause === undefined ? {} : { cause },
  )
}

/** Nothing was sent: there is a session, and others come first. */
export function noTurnError(address: string): PledgedError {
  return new PledgedError(
    'UNAVAILABLE',
    `the session with ${address} had no room for another call in time: too many are unanswered; nothing was sent`,
  )
}

export function noLeaseError(address: string): PledgedError {
  return new PledgedError(
    'UNAVAILABLE',
    `the daemon at ${address} leased no xid in time: as many as may be are in use; nothing was begun`,
  )
}

/** It may have arrived. */
export function unansweredError(address: string, scope: Scope): PledgedError {
  const what =
    scope.cancelled === undefined
      ? `the daemon at ${address} didn't answer in time`
      : `the call to ${address} was cancelled`
  return new PledgedError('OUTCOME_UNKNOWN', `${what}: what was asked may have happened, ask again`)
}

export function queueFullError(callsMax: number): PledgedError {
  return new PledgedError(
    'LIMIT_REACHED',
    `${callsMax} calls of this client wait for their turn already, and more may not: ask fewer at a time, or wait for answers`,
  )
}

export function tooLargeError(bytes: number, bytesMax: number): PledgedError {
  return new PledgedError(
    'WORK_TOO_LARGE',
    `the request takes ${bytes} bytes; a session with this daemon carries ${bytesMax} in one message: split the ` +
      "transaction, or connect with { transport: 'unary' }",
  )
}
