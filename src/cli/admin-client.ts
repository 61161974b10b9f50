/** The daemon's AdminService and what else a command asks of it. All calls of one client share one deadline. */
import { type CallOptions, type ClientUnaryCall, Metadata, type ServiceError } from '@grpc/grpc-js'
import { PledgedError } from '../base/errors.ts'
import type { Xid } from '../base/ids.ts'
import { defaultLimits } from '../base/limits.ts'
import { Access, type AccessOptions } from '../dialling/index.ts'
import { channelOptions } from '../sdk/dialling.ts'
import {
  type AcknowledgeTransactionRequest,
  type AcknowledgeTransactionResponse,
  AdminServiceClient,
  type CompareBranchesRequest,
  type CompareBranchesResponse,
  type ForgetBranchRequest,
  type ForgetBranchResponse,
  type GetStatusResponse,
  type ListAuditEventsRequest,
  type ListAuditEventsResponse,
  type ListTransactionsRequest,
  type ListTransactionsResponse,
  type PauseParticipantRequest,
  type ResolveTransactionRequest,
  type ResolveTransactionResponse,
  type ResumeParticipantRequest,
  type RetryTransactionRequest,
  type RetryTransactionResponse,
} from '../wire/generated/pledged/v1/admin_service.ts'
import type { ParticipantStatus } from '../wire/generated/pledged/v1/participant.ts'
import type { Transaction } from '../wire/generated/pledged/v1/transaction.ts'
import { TransactionServiceClient } from '../wire/index.ts'
import { type CalledDaemon, failedChanging, failedReading } from './call-failures.ts'
import { operatorName } from './operator-name.ts'

/** What the daemon gives at most in one page. */
export const PAGE_SIZE_MAX = 1_000

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall

interface Manner {
  readonly explain: (error: ServiceError, daemon: CalledDaemon) => PledgedError
  readonly metadata: Metadata
}

/** Who says that they are at the keyboard: the audit shows it beside the identity that the daemon saw. */
const OPERATOR_KEY = 'pledged-operator'

export class AdminClient implements Disposable {
  readonly #admin: AdminServiceClient
  readonly #transactions: TransactionServiceClient
  readonly #daemon: CalledDaemon
  readonly #access: Access
  readonly #deadline: Date

  /** Throws CONFIGURATION where a file of its access can't be used. */
  constructor(daemon: CalledDaemon & { readonly access?: AccessOptions }) {
    this.#daemon = daemon
    this.#access = new Access(daemon.address, daemon.access ?? {})
    this.#deadline = new Date(Date.now() + daemon.timeoutMs)
    const channel = channelOptions(defaultLimits)
    const { channelCredentials } = this.#access
    this.#admin = new AdminServiceClient(daemon.address, channelCredentials, channel)
    this.#transactions = new TransactionServiceClient(daemon.address, channelCredentials, {
      channelOverride: this.#admin.getChannel(),
    })
  }

  status(): Promise<GetStatusResponse> {
    return this.#read(this.#admin.getStatus.bind(this.#admin), {})
  }

  transactions(request: ListTransactionsRequest): Promise<ListTransactionsResponse> {
    return this.#read(this.#admin.listTransactions.bind(this.#admin), request)
  }

  async participants(): Promise<ParticipantStatus[]> {
    const participants: ParticipantStatus[] = []
    let pageToken = ''
    do {
      const page = await this.#read(this.#admin.listParticipants.bind(this.#admin), {
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
    const answer = await this.#read(this.#transactions.getTransaction.bind(this.#transactions), request)
    return this.present(answer.transaction)
  }

  compareBranches(request: CompareBranchesRequest): Promise<CompareBranchesResponse> {
    return this.#read(this.#admin.compareBranches.bind(this.#admin), request)
  }

  auditEvents(request: ListAuditEventsRequest): Promise<ListAuditEventsResponse> {
    return this.#read(this.#admin.listAuditEvents.bind(this.#admin), request)
  }

  resolveTransaction(request: ResolveTransactionRequest): Promise<ResolveTransactionResponse> {
    return this.#change(this.#admin.resolveTransaction.bind(this.#admin), request)
  }

  retryTransaction(request: RetryTransactionRequest): Promise<RetryTransactionResponse> {
    return this.#change(this.#admin.retryTransaction.bind(this.#admin), request)
  }

  acknowledgeTransaction(request: AcknowledgeTransactionRequest): Promise<AcknowledgeTransactionResponse> {
    return this.#change(this.#admin.acknowledgeTransaction.bind(this.#admin), request)
  }

  forgetBranch(request: ForgetBranchRequest): Promise<ForgetBranchResponse> {
    return this.#change(this.#admin.forgetBranch.bind(this.#admin), request)
  }

  async pauseParticipant(request: PauseParticipantRequest): Promise<ParticipantStatus> {
    const answer = await this.#change(this.#admin.pauseParticipant.bind(this.#admin), request)
    return this.present(answer.participant)
  }

  async resumeParticipant(request: ResumeParticipantRequest): Promise<ParticipantStatus> {
    const answer = await this.#change(this.#admin.resumeParticipant.bind(this.#admin), request)
    return this.present(answer.participant)
  }

  /** What every answer of this kind has: without it the other end isn't what it says. */
  present<Part>(part: Part | undefined): Part {
    if (part !== undefined) return part
    throw new PledgedError(
      'INTERNAL',
      `the daemon at ${this.#daemon.address} answered without what it was asked for: is it a Pledged daemon?`,
    )
  }

  [Symbol.dispose](): void {
    this.#admin.close()
  }

  #read<Request, Response>(unary: Unary<Request, Response>, request: Request): Promise<Response> {
    return this.#call(unary, request, { explain: failedReading, metadata: new Metadata() })
  }

  #change<Request, Response>(unary: Unary<Request, Response>, request: Request): Promise<Response> {
    const metadata = new Metadata()
    metadata.set(OPERATOR_KEY, operatorName())
    return this.#call(unary, request, { explain: failedChanging, metadata })
  }

  #call<Request, Response>(
    unary: Unary<Request, Response>,
    request: Request,
    { explain, metadata }: Manner,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      unary(request, this.#access.authorize(metadata), { deadline: this.#deadline }, (error, response) => {
        if (error === null) resolve(response)
        else reject(explain(error, this.#daemon))
      })
    })
  }
}
