/** Why a call to the daemon failed, as a sentence for the person who made it. */
import { type ServiceError, status } from '@grpc/grpc-js'
import { PledgedError } from '../base/errors.ts'
import { connectionFailure, fromServiceError, isSecurityFailure, isServiceError } from '../wire/index.ts'
import { formatDuration } from './durations.ts'

export interface CalledDaemon {
  readonly address: string
  readonly timeoutMs: number
}

/** Of a call that only reads: without an answer nothing has happened, and nothing is unknown. */
export function failedReading(error: ServiceError, { address, timeoutMs }: CalledDaemon): PledgedError {
  const pledged = fromServiceError(error, address)
  if (isServiceError(pledged.cause) && pledged.code === 'UNAVAILABLE') {
    if (isSecurityFailure(pledged)) return pledged
    return unreachable(address, connectionFailure(error.details), error)
  }
  if (isLate(error, pledged)) {
    return unreachable(address, `no answer within ${formatDuration(timeoutMs)}`, error)
  }
  return pledged
}

/** I7: of a call that changes something, whose answer was lost: it may have happened. */
export function failedChanging(error: ServiceError, daemon: CalledDaemon): PledgedError {
  const pledged = fromServiceError(error, daemon.address)
  if (isLate(error, pledged)) {
    return maybeDone(daemon.address, `no answer within ${formatDuration(daemon.timeoutMs)}`, error)
  }
  const isConnections = isServiceError(pledged.cause) && pledged.code === 'UNAVAILABLE'
  if (isConnections && !neverConnected(error)) {
    return maybeDone(daemon.address, connectionFailure(error.details), error)
  }
  return failedReading(error, daemon)
}

function isLate(error: ServiceError, pledged: PledgedError): boolean {
  return error.code === status.DEADLINE_EXCEEDED && pledged.code !== 'DEADLINE_PASSED'
}

/** gRPC says so where no connection came about, to any address of the name: the request has not left. */
function neverConnected({ details }: ServiceError): boolean {
  return /No connection established|Name resolution failed|ECONNREFUSED|ENOENT/.test(details)
}

function unreachable(address: string, why: string, cause: unknown): PledgedError {
  return new PledgedError(
    'UNAVAILABLE',
    `can't reach the daemon at ${address} (${why}): is it running? start it with \`pledged serve\`, or name another with --address`,
    { cause },
  )
}

function maybeDone(address: string, why: string, cause: unknown): PledgedError {
  return new PledgedError(
    'OUTCOME_UNKNOWN',
    `the daemon at ${address} was asked, and its answer was lost (${why}): it may have been done; \`pledged audit\` tells, then ask again`,
    { cause },
  )
}
