/** What AdminService serves, apart from any transport: src/admin implements it, the transport calls it. */
import type * as proto from './generated/pledged/v1/admin_service.ts'
import type { CallFacts } from './requests.ts'

type Handler<Request, Response> = (request: Request, facts: CallFacts) => Promise<Response>

/** Each may reject with PledgedError, which the caller gets as it is. The caller's identity is who is audited. */
export interface AdminHandlers {
  readonly getStatus: Handler<proto.GetStatusRequest, proto.GetStatusResponse>
  readonly listTransactions: Handler<proto.ListTransactionsRequest, proto.ListTransactionsResponse>
  readonly resolveTransaction: Handler<proto.ResolveTransactionRequest, proto.ResolveTransactionResponse>
  readonly retryTransaction: Handler<proto.RetryTransactionRequest, proto.RetryTransactionResponse>
  readonly acknowledgeTransaction: Handler<
    proto.AcknowledgeTransactionRequest,
    proto.AcknowledgeTransactionResponse
  >
  readonly forgetBranch: Handler<proto.ForgetBranchRequest, proto.ForgetBranchResponse>
  readonly compareBranches: Handler<proto.CompareBranchesRequest, proto.CompareBranchesResponse>
  readonly listParticipants: Handler<proto.ListParticipantsRequest, proto.ListParticipantsResponse>
  readonly pauseParticipant: Handler<proto.PauseParticipantRequest, proto.PauseParticipantResponse>
  readonly resumeParticipant: Handler<proto.ResumeParticipantRequest, proto.ResumeParticipantResponse>
  readonly listAuditEvents: Handler<proto.ListAuditEventsRequest, proto.ListAuditEventsResponse>
}
