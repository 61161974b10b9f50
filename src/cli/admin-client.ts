/** The daemon's AdminService and what else a command asks of it. All calls of one client share one deadline. */
import {
  type CallOptions,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { PledgedError } from '../base/errors.ts'
import type { Xid } from '../base/ids.ts'
import { defaultLimits } from '../base/limits.ts'
import { channelOptions } from '../sdk/dialling.ts'
import {
  AdminServiceClient,
  type GetStatusResponse,
  type ListTransactionsRequest,
  type ListTransactionsResponse,
} from '../wire/generated/pledged/v1/admin_service.ts'
import type { ParticipantStatus } from '../wire/generated/pledged/v1/participant.ts'
import type { Transaction } from '../wire/generated/pledged/v1/transaction.ts'
import { TransactionServiceClient } from '../wire/generated/pledged/v1/transaction_service.ts'
import { connectionFailure, fromServiceError, isServiceError } from '../wire/index.ts'
import { formatDuration } from './durations.ts'

export interface AdminClientOptions {
  readonly address: string
  readonly timeoutMs: number
}

/** What the daemon gives at most in one page. */
export const PAGE_SIZE_MAX = 1_000

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall

export class AdminClient implements Disposable {
  readonly #admin: AdminServiceClient
  readonly #transactions: TransactionServiceClient
  readonly #options: AdminClientOptions
  readonly #deadline: Date

  constructor(options: AdminClientOptions) {
    this.#options = options
    this.#deadline = new Date(Date.now() + options.timeoutMs)
    const channel = channelOptions(defaultLimits)
    this.#admin = new AdminServiceClient(options.address, credentials.createInsecure(), channel)
    this.#transactions = new TransactionServiceClient(options.address, credentials.createInsecure(), {
      channelOverride: this.#admin.getChannel(),
    })
  }

  status(): Promise<GetStatusResponse> {
    return this.#call(this.#admin.getStatus.bind(this.#admin), {})
  }

  transactions(request: ListTransactionsRequest): Promise<ListTransactionsResponse> {
    return this.#call(this.#admin.listTransactions.bind(this.#admin), request)
  }

  async participants(): Promise<ParticipantStatus[]> {
    const participants: ParticipantStatus[] = []
    let pageToken = ''
    do {
      const page = await this.#call(this.#admin.listParticipants.bind(this.#admin), {
        pageSize: 0,
        pageToken,
      })
      participants.push(...page.participants)
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    return participants
  }

  async transaction(xid: Xid): Promise<Transaction> {
    const request = { key: { $case: 'xid', value: xid } } as const
    const { transaction } = await this.#call(
      this.#transactions.getTransaction.bind(this.#transactions),
      request,
    )
    if (transaction !== undefined) return transaction
    throw new PledgedError(
      'INTERNAL',
      `the daemon at ${this.#options.address} answered without the transaction ${xid}`,
    )
  }

  [Symbol.dispose](): void {
    this.#admin.close()
  }

  #call<Request, Response>(unary: Unary<Request, Response>, request: Request): Promise<Response> {
    return new Promise((resolve, reject) => {
      unary(request, new Metadata(), { deadline: this.#deadline }, (error, response) => {
        if (error === null) resolve(response)
        else reject(this.#explain(error))
      })
    })
  }

  /** Every call here only reads: without an answer nothing has happened, and nothing is unknown. */
  #explain(error: ServiceError): PledgedError {
    const { address, timeoutMs } = this.#options
    const pledged = fromServiceError(error, address)
    if (isServiceError(pledged.cause) && pledged.code === 'UNAVAILABLE') {
      return unreachable(address, connectionFailure(error.details), error)
    }
    if (error.code === status.DEADLINE_EXCEEDED && pledged.code !== 'DEADLINE_PASSED') {
      return unreachable(address, `no answer within ${formatDuration(timeoutMs)}`, error)
    }
    return pledged
  }
}

function unreachable(address: string, why: string, cause: unknown): PledgedError {
  return new PledgedError(
    'UNAVAILABLE',
    `can't reach the daemon at ${address} (${why}): is it running? start it with \`pledged serve\`, or name another with --address`,
    { cause },
  )
}
