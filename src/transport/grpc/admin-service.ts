/** AdminService over the handlers of src/admin; what they don't cover yet is refused with a sentence. */
import type { handleServerStreamingCall, handleUnaryCall, Metadata } from '@grpc/grpc-js'
import type { Ready } from '../../serving/index.ts'
import type { AdminServiceServer } from '../../wire/generated/pledged/v1/admin_service.ts'
import { type AdminHandlers, toStatus } from '../../wire/index.ts'
import { refusalWhileStarting } from './admission.ts'
import { type Identify, type IncomingCall, notImplemented, unary } from './calls.ts'

export interface AdminServiceOptions {
  readonly admin: AdminHandlers
  readonly ready: Ready
  readonly identify: Identify
}

export function adminService(options: AdminServiceOptions): AdminServiceServer {
  const { admin, identify, ready } = options
  const asking = { identify, refusal: () => refusalWhileStarting(ready) }
  const ordering = { ...asking, identify: (call: IncomingCall) => operatorOf(identify(call), call.metadata) }
  return {
    getStatus: unary({ ...asking, handle: (...call) => admin.getStatus(...call) }),
    listTransactions: unary({ ...asking, handle: (...call) => admin.listTransactions(...call) }),
    listParticipants: unary({ ...asking, handle: (...call) => admin.listParticipants(...call) }),
    compareBranches: unary({ ...asking, handle: (...call) => admin.compareBranches(...call) }),
    listAuditEvents: unary({ ...asking, handle: (...call) => admin.listAuditEvents(...call) }),
    resolveTransaction: unary({ ...ordering, handle: (...call) => admin.resolveTransaction(...call) }),
    retryTransaction: unary({ ...ordering, handle: (...call) => admin.retryTransaction(...call) }),
    acknowledgeTransaction: unary({
      ...ordering,
      handle: (...call) => admin.acknowledgeTransaction(...call),
    }),
    forgetBranch: unary({ ...ordering, handle: (...call) => admin.forgetBranch(...call) }),
    pauseParticipant: unary({ ...ordering, handle: (...call) => admin.pauseParticipant(...call) }),
    resumeParticipant: unary({ ...ordering, handle: (...call) => admin.resumeParticipant(...call) }),
    watchTransactions: refuseStream('WatchTransactions', 'ask ListTransactions again and again'),
    setLogLevel: refuse('SetLogLevel', 'set the level when the daemon is started'),
  }
}

/** What a person says of themselves, to those who read the audit later; it proves nothing. */
const OPERATOR_KEY = 'pledged-operator'
const OPERATOR = /^[\x21-\x7e]{1,100}$/

/** The identity that the daemon saw, and what it was told beside it. */
function operatorOf(identity: string, metadata: Metadata): string {
  const said = metadata.get(OPERATOR_KEY)[0]
  return typeof said === 'string' && OPERATOR.test(said) ? `${identity} (${said})` : identity
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
