/**
 * PledgedError to and from gRPC's status. Every error that the daemon sends carries google.rpc.ErrorInfo (domain
 * `pledged.dev`, the code as its reason, the metadata) in the trailer `grpc-status-details-bin`; an error without
 * it is gRPC's own, and says only that the call went wrong on its way.
 */
import { Metadata, type ServiceError, status as STATUS, type StatusObject } from '@grpc/grpc-js'
import { ERROR_CODES, type ErrorCode, messageOf, PledgedError } from '../base/errors.ts'
import { connectionFailure, securityFailure } from './connection-failures.ts'
import { ErrorInfo } from './generated/google/rpc/error_details.ts'
import { Status } from './generated/google/rpc/status.ts'
import type { Failure } from './generated/pledged/v1/stream.ts'
import { boundedText } from './text.ts'

const DOMAIN = 'pledged.dev'
const DETAILS_TRAILER = 'grpc-status-details-bin'
const ERROR_INFO_TYPE = 'type.googleapis.com/google.rpc.ErrorInfo'

/** What a handler answers to refuse a call. Never a stack. */
export function toStatus(error: unknown): StatusObject {
  const pledged = PledgedError.from(error)
  const code = STATUS[pledged.status]
  const details = boundedText(pledged.message)
  const info = ErrorInfo.encode({
    reason: pledged.code,
    domain: DOMAIN,
    metadata: boundedMetadata(pledged.metadata),
  }).finish()
  const status = Status.encode({
    code,
    message: details,
    details: [{ typeUrl: ERROR_INFO_TYPE, value: info }],
  }).finish()
  const metadata = new Metadata()
  metadata.set(DETAILS_TRAILER, Buffer.from(status))
  return { code, details, metadata }
}

/** The error inside a message, where it isn't the status of a call. */
export function failureToProto(error: PledgedError): Failure {
  return {
    reason: error.code,
    message: boundedText(error.message),
    metadata: boundedMetadata(error.metadata),
  }
}

/** `address`, `who`: to whom the call was made, for the sentence of one that got no answer. */
export function fromServiceError(error: unknown, address: string, who = 'the daemon'): PledgedError {
  if (error instanceof PledgedError) return error
  if (!isServiceError(error)) return PledgedError.from(error)
  const info = errorInfoOf(error.metadata)
  if (info !== undefined && Object.hasOwn(ERROR_CODES, info.reason)) {
    return new PledgedError(info.reason as ErrorCode, error.details, {
      cause: error,
      metadata: info.metadata,
    })
  }
  const { code, message } = meaningOf(error, address, who)
  return new PledgedError(code, message, { cause: error })
}

/** The two ends can't agree on a secure connection: its sentence says more than that none was made. */
export function isSecurityFailure({ cause }: PledgedError): boolean {
  return isServiceError(cause) && securityFailure(cause.details, '') !== undefined
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error
}

/** The ErrorInfo of Pledged's, if the trailers carry one that can be read. */
function errorInfoOf(metadata: Metadata | undefined): ErrorInfo | undefined {
  const trailer = metadata?.get(DETAILS_TRAILER)[0]
  if (!(trailer instanceof Buffer)) return undefined
  try {
    for (const detail of Status.decode(trailer).details) {
      if (detail.typeUrl !== ERROR_INFO_TYPE) continue
      const info = ErrorInfo.decode(detail.value)
      if (info.domain === DOMAIN) return info
    }
  } catch {
    // Trailers of somebody else's making: the bare status counts.
  }
  return undefined
}

/** What a bare status of gRPC's means here. */
function meaningOf(error: ServiceError, address: string, who: string): { code: ErrorCode; message: string } {
  const details = error.details === '' ? messageOf(error) : error.details
  if (isConnectionFailure(error)) {
    const insecurity = securityFailure(details, who)
    const why = insecurity ?? `(${connectionFailure(details)}): is it running, and is this its address?`
    return {
      code: 'UNAVAILABLE',
      message: `${who} at ${address} can't be reached${insecurity === undefined ? ' ' : ': '}${why}`,
    }
  }
  switch (error.code) {
    case STATUS.DEADLINE_EXCEEDED:
      return {
        code: 'OUTCOME_UNKNOWN',
        message: `${who} at ${address} didn't answer in time: what was asked may have happened, ask again`,
      }
    case STATUS.CANCELLED:
      return {
        code: 'OUTCOME_UNKNOWN',
        message: `the call to ${address} was cancelled: what was asked may have happened, ask again`,
      }
    case STATUS.UNIMPLEMENTED:
      return {
        code: 'NOT_IMPLEMENTED',
        message: `what answers at ${address} doesn't serve this call: ${details}`,
      }
    case STATUS.RESOURCE_EXHAUSTED:
      return { code: 'LIMIT_REACHED', message: `a limit between here and ${address} is reached: ${details}` }
    case STATUS.UNAUTHENTICATED:
      return { code: 'UNAUTHENTICATED', message: `${address} doesn't know who calls: ${details}` }
    case STATUS.PERMISSION_DENIED:
      return { code: 'PERMISSION_DENIED', message: `${address} doesn't permit this: ${details}` }
    case STATUS.INVALID_ARGUMENT:
      return { code: 'INVALID_REQUEST', message: `${address} refused the request: ${details}` }
    default:
      return { code: 'INTERNAL', message: `the call to ${address} failed: ${details}` }
  }
}

/** A peer that is killed shows as UNAVAILABLE, or as INTERNAL with what became of its stream. */
function isConnectionFailure(error: ServiceError): boolean {
  if (error.code === STATUS.UNAVAILABLE) return true
  return error.code === STATUS.INTERNAL && /RST_STREAM|ECONNRESET|EPIPE|ERR_HTTP2/.test(error.details)
}

function boundedMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, boundedText(value)]))
}
