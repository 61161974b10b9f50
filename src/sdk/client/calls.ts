/**
 * One try of one unary call, and what its end says about whether the daemon may have run it.
 *
 * A call is sent only over a connection that stands. So "no connection could be made" is known to mean that
 * nothing was sent, while whatever happens after counts as sent, even where it never left this process.
 */
import {
  type CallOptions,
  type Client,
  type ClientUnaryCall,
  connectivityState,
  type Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import type { ErrorCode, PledgedError } from '../../base/errors.ts'
import type { Access } from '../../dialling/index.ts'
import { fromServiceError, isServiceError } from '../../wire/index.ts'
import type { Scope } from './scope.ts'
import type { Try } from './try.ts'

export type StartCall<Response> = (
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall

export interface TryOptions<Response> {
  readonly client: Client
  readonly access: Access
  readonly address: string
  readonly scope: Scope
  /** How long to wait for a connection. */
  readonly connectTimeoutMs: number
  readonly start: StartCall<Response>
  readonly onSent?: (() => void) | undefined
}

/** Never rejects. */
export async function tryCall<Response>(options: TryOptions<Response>): Promise<Try<Response>> {
  if (options.scope.over) return { end: 'lost', error: unreachableError(options.address), sent: false }
  const unreachable = await connected(options)
  if (unreachable !== undefined) return { end: 'lost', error: unreachable, sent: false }
  try {
    return { end: 'answered', response: await call(options) }
  } catch (error) {
    const pledged = fromServiceError(error, options.address)
    if (isRefusal(error, pledged.code)) return { end: 'refused', error: pledged }
    return { end: 'lost', error: pledged, sent: true }
  }
}

const READY = connectivityState.READY
const UNAVAILABLE = status.UNAVAILABLE

/** Resolves with why there is no connection, if there is none in time. */
async function connected({ client, address, scope, connectTimeoutMs }: TryOptions<unknown>) {
  if (client.getChannel().getConnectivityState(true) === READY) return undefined
  const ready = Promise.withResolvers<boolean>()
  const timeoutMs = Math.min(connectTimeoutMs, scope.remainingMs)
  client.waitForReady(Date.now() + timeoutMs, (error) => ready.resolve(error === undefined))
  const forget = scope.onCancel(() => ready.resolve(false))
  const isReady = await ready.promise
  forget()
  if (isReady && !scope.over) return undefined
  // A client that is being closed may be asked no more.
  const isAskable = !isReady && scope.cancelled === undefined
  return unreachableError(address, isAskable ? await lastFailureOf(client) : undefined)
}

/** Long enough for a channel that has failed to say why, and for nothing else. */
const ASK_WHY_MS = 50

/**
 * What the last try to connect has ended with: a channel tells it to a call alone. This one would change nothing, should it
 * leave after all.
 */
function lastFailureOf(client: Client): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const bytes = (): Buffer => Buffer.alloc(0)
  const deadline = Date.now() + ASK_WHY_MS
  client.makeUnaryRequest('/grpc.health.v1.Health/Check', bytes, bytes, undefined, { deadline }, (error) => {
    resolve(error?.code === UNAVAILABLE ? error.details : undefined)
  })
  return promise
}

function call<Response>({ access, scope, start, onSent }: TryOptions<Response>): Promise<Response> {
  const answered = Promise.withResolvers<Response>()
  const deadline = Date.now() + scope.remainingMs
  const unary = start(access.authorize(), { deadline }, (error, response) => {
    forget()
    if (error === null) answered.resolve(response)
    else answered.reject(error)
  })
  const forget = scope.onCancel(() => unary.cancel())
  onSent?.()
  return answered.promise
}

function unreachableError(address: string, details = 'no connection was made in time'): PledgedError {
  const error = Object.assign(new Error('no connection'), { code: UNAVAILABLE, details })
  return fromServiceError(error, address)
}

/** Statuses that gRPC itself gives only to a call that no handler has seen. */
const REFUSALS_WITHOUT_DETAILS: ReadonlySet<ErrorCode> = new Set([
  'NOT_IMPLEMENTED',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'INVALID_REQUEST',
])

/** With details it comes from Pledged, where an error says "not accepted"; a bug there says nothing. */
function isRefusal(error: unknown, code: ErrorCode): boolean {
  if (code === 'INTERNAL' || code === 'OUTCOME_UNKNOWN') return false
  const detailed = isServiceError(error) && error.metadata?.get('grpc-status-details-bin').length > 0
  return detailed || REFUSALS_WITHOUT_DETAILS.has(code)
}
