/** AdminService over the handlers of src/admin; what they don't cover yet is refused with a sentence. */
import type { handleServerStreamingCall, handleUnaryCall } from '@grpc/grpc-js'
import type { Ready } from '../../serving/index.ts'
import type { AdminServiceServer } from '../../wire/generated/pledged/v1/admin_service.ts'
import { type AdminHandlers, toStatus } from '../../wire/index.ts'
import { refusalWhileStarting } from './admission.ts'
import { type Identify, notImplemented, unary } from './calls.ts'

export interface AdminServiceOptions {
  readonly admin: AdminHandlers
  readonly ready: Ready
  readonly identify: Identify
}

export function adminService(options: AdminServiceOptions): AdminServiceServer {
  const { admin, identify, ready } = options
  const common = { identify, refusal: () => refusalWhileStarting(ready) }
  return {
    getStatus: unary({ ...common, handle: (request) => admin.getStatus(request) }),
    listTransactions: unary({ ...common, handle: (request) => admin.listTransactions(request) }),
    listParticipants: unary({ ...common, handle: (request) => admin.listParticipants(request) }),
    watchTransactions: refuseStream('WatchTransactions', 'ask ListTransactions again and again'),
    resolveTransaction: refuse('ResolveTransaction', 'mend the participant; delivery is automatic'),
    retryTransaction: refuse('RetryTransaction', 'delivery is tried again by itself'),
    acknowledgeTransaction: refuse('AcknowledgeTransaction', 'the heuristic stays shown'),
    forgetBranch: refuse('ForgetBranch', 'the branch waits for its participant'),
    compareBranches: refuse('CompareBranches', 'see ListTransactions and ListParticipants'),
    pauseParticipant: refuse('PauseParticipant', 'stop the participant'),
    resumeParticipant: refuse('ResumeParticipant', 'start the participant'),
    listAuditEvents: refuse('ListAuditEvents', "there is no operator's action yet that it could list"),
    setLogLevel: refuse('SetLogLevel', 'set the level when the daemon is started'),
  }
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
