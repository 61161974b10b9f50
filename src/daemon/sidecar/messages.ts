/**
 * What the supervisor and the daemon part say to each other over the channel between the two processes. When the
 * channel closes, the other one has died.
 */
import { type ErrorCode, PledgedError } from '../../base/errors.ts'

/** From the supervisor. The second one ends a drain at once, as a second signal does. */
export const DRAIN = { type: 'drain' } as const

export interface Ready {
  readonly type: 'ready'
  /** As a client names it. */
  readonly address: string
  readonly dataDirectory: string
  readonly drainTimeoutMs: number
  /** It answers, and refuses all work, for good: its log is an old copy. */
  readonly refusal: Failure | undefined
}

/** It could not be started. */
export interface Failed {
  readonly type: 'failed'
  readonly failure: Failure
}

/** A PledgedError, as far as it travels. */
export interface Failure {
  readonly code: ErrorCode
  readonly message: string
}

export type DaemonMessage = Ready | Failed

export function failureOf({ code, message }: PledgedError): Failure {
  return { code, message }
}

export function errorOf({ code, message }: Failure): PledgedError {
  return new PledgedError(code, message)
}

/** Undefined: something else, such as what a crash point has to say. */
export function daemonMessage(message: unknown): DaemonMessage | undefined {
  if (isRecord(message) && (message['type'] === 'ready' || message['type'] === 'failed')) {
    return message as unknown as DaemonMessage
  }
  return undefined
}

export function isDrain(message: unknown): boolean {
  return isRecord(message) && message['type'] === DRAIN.type
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

/** What another start, with nothing else changed, meets again. */
const LASTING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONFIGURATION',
  'LOG_IN_USE',
  'LOG_DAMAGED',
  'LOG_UNREADABLE',
  'EPOCH_SUPERSEDED',
])

export function isLasting({ code }: Failure): boolean {
  return LASTING.has(code)
}
