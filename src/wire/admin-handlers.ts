/** What AdminService serves, apart from any transport: src/admin implements it, the transport calls it. */
import type {
  GetStatusRequest,
  GetStatusResponse,
  ListParticipantsRequest,
  ListParticipantsResponse,
  ListTransactionsRequest,
  ListTransactionsResponse,
} from './generated/pledged/v1/admin_service.ts'

/** Each may reject with PledgedError, which the caller gets as it is. */
export interface AdminHandlers {
  getStatus(request: GetStatusRequest): Promise<GetStatusResponse>
  listTransactions(request: ListTransactionsRequest): Promise<ListTransactionsResponse>
  listParticipants(request: ListParticipantsRequest): Promise<ListParticipantsResponse>
}
