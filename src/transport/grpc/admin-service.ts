/** AdminService over the handlers of src/admin; what they don't cover yet is refused with a sentence. */
import type { handleServerStreamingCall, handleUnaryCall, Metadata } from '@grpc/grpc-js'
import type { Ready } from '../../serving/index.ts'
import type { AdminServiceServer } from '../../wire/generated/pledged/v1/admin_service.ts'
import { type AdminHandlers, toStatus } from '../../wire/index.ts'
import { refusalWhileStarting } from './admission.ts'
import { type Caller, type Identify, type IncomingCall, notImplemented, unary } from './calls.ts'

export interface AdminServiceOptions {
  readonly admin: AdminHandlers
  readonly ready: Ready
  readonly identify: Identify
}

export function adminService(options: AdminServiceOptions): AdminServiceServer {
  const { admin, identify, ready } = options
  const asking = { identify, refusal: () => refusalWhileStarting(ready) }
  const ordering = {
    ...asking,
    identify: (call: IncomingCall) => withOperator(identify(call), call.metadata),
  }
  return {
    getStatus: unary({ ...asking, handle: (request, facts) => admin.getStatus(request, facts) }),
    listTransactions: unary({
      ...asking,
      handle: (request, facts) => admin.listTransactions(request, facts),
    }),
    listParticipants: unary({
      ...asking,
      handle: (request, facts) => admin.listParticipants(request, facts),
    }),
    compareBranches: unary({ ...asking, handle: (request, facts) => admin.compareBranches(request, facts) }),
    listAuditEvents: unary({ ...asking, handle: (request, facts) => admin.listAuditEvents(request, facts) }),
    resolveTransaction: unary({
      ...ordering,
      handle: (request, facts) => admin.resolveTransaction(request, facts),
    }),
    retryTransaction: unary({
      ...ordering,
      handle: (request, facts) => admin.retryTransaction(request, facts),
    }),
    acknowledgeTransaction: unary({
      ...ordering,
      handle: (request, facts) => admin.acknowledgeTransaction(request, facts),
    }),
    forgetBranch: unary({ ...ordering, handle: (request, facts) => admin.forgetBranch(request, facts) }),
    pauseParticipant: unary({
      ...ordering,
      handle: (request, facts) => admin.pauseParticipant(request, facts),
    }),
    resumeParticipant: unary({
      ...ordering,
      handle: (request, facts) => admin.resumeParticipant(request, facts),
    }),
    watchTransactions: refuseStream('WatchTransactions', 'ask ListTransactions again and again'),
    setLogLevel: refuse('SetLogLevel', 'set the level when the daemon is started'),
  }
}

/** What a person says of themselves, to those who read the audit later; it proves nothing. */
const OPERATOR_KEY = 'pledged-operator'
const OPERATOR = /^[\x21-\x7e]{1,100}$/

/** The identity that the daemon saw, and what it was told beside it: several people may share a token. */
function withOperator(caller: Caller, metadata: Metadata): Caller {
  const said = metadata.get(OPERATOR_KEY)[0]
  if (typeof said !== 'string' || !OPERATOR.test(said)) return caller
  return { ...caller, name: `${caller.name} (${said})` } as Caller
}

function refuse<Request, Response>(method: string, instead: string): handleUnaryCall<Request, Response> {
  return (_call, callback) => callback(toStatus(notImplemented(method, instead)))
}

function refuseStream<Request, Response>(
  method: string,
  instead: string,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    call.emit('error', toStatus(notImplemented(method, instead)))
  }
}
