/** What all calls have in common: who calls, until when, and how a refusal is answered. */
import type { handleUnaryCall, Metadata, ServerUnaryCall } from '@grpc/grpc-js'
import { PledgedError } from '../../base/errors.ts'
import { type Identity, requireMessage } from '../../serving/index.ts'
import { type CallFacts, toStatus } from '../../wire/index.ts'

/** What is known of a caller before its request is looked at. */
export interface IncomingCall {
  readonly metadata: Metadata
  getPeer(): string
}

/** Everyone, where there is no authentication: one caller, who may do everything. */
export const ANONYMOUS = { name: 'anonymous', role: 'anyone' } as const

/** To whom request ids and begun transactions belong, by the name; and what else is theirs to ask. */
export type Caller = Identity | typeof ANONYMOUS

export type Identify = (call: IncomingCall) => Caller

export const identifyAsAnonymous: Identify = () => ANONYMOUS

/** https://www.w3.org/TR/trace-context/#traceparent-header */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

export interface UnaryOptions<Request, Response> {
  /** Why the call isn't taken now. */
  readonly refusal: () => PledgedError | undefined
  readonly identify: Identify
  readonly handle: (request: Request, facts: CallFacts, caller: Caller) => Promise<Response>
}

export function unary<Request, Response>(
  options: UnaryOptions<Request, Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    answer(call, options).then(
      (response) => callback(null, response),
      (error: unknown) => callback(toStatus(error)),
    )
  }
}

async function answer<Request, Response>(
  call: ServerUnaryCall<Request, Response>,
  options: UnaryOptions<Request, Response>,
): Promise<Response> {
  const request = requireMessage(call.request)
  const refusal = options.refusal()
  if (refusal !== undefined) throw refusal
  const caller = options.identify(call)
  const facts: CallFacts = {
    caller: caller.name,
    deadlineInMs: deadlineInMs(call),
    traceparent: traceparentOf(call.metadata),
  }
  // Its caller no longer listens: what is run now would only be asked for again.
  if (call.cancelled || (facts.deadlineInMs !== undefined && facts.deadlineInMs <= 0)) {
    throw new PledgedError(
      'DEADLINE_PASSED',
      'the deadline had passed when the request arrived; nothing was run: send it again with more time',
    )
  }
  return options.handle(request, facts, caller)
}

/** A method that this version does not serve. */
export function notImplemented(method: string, instead: string): PledgedError {
  return new PledgedError('NOT_IMPLEMENTED', `${method} isn't served by this version: ${instead}`)
}

function deadlineInMs(call: ServerUnaryCall<unknown, unknown>): number | undefined {
  const deadlineMs = Number(call.getDeadline())
  return Number.isFinite(deadlineMs) ? deadlineMs - Date.now() : undefined
}

/** One that isn't well-formed is ignored, as the standard has it. */
export function traceparentOf(metadata: Metadata): string | undefined {
  const value = metadata.get('traceparent')[0]
  return typeof value === 'string' && TRACEPARENT.test(value) ? value : undefined
}
