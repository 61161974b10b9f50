/**
 * A daemon whose answers a test chooses, behind a real gRPC server: what a real one shows only after a crash at the
 * right moment can be rendered at once. It pages as the real one does.
 */
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { PledgedError } from '../../base/errors.ts'
import { type TestDoor, testDoor } from '../../dialling/test-door.ts'
import {
  type AcknowledgeTransactionRequest,
  type AcknowledgeTransactionResponse,
  AdminServiceService,
  type CompareBranchesRequest,
  type CompareBranchesResponse,
  type ForgetBranchRequest,
  type ForgetBranchResponse,
  GetStatusResponse,
  type ListAuditEventsRequest,
  type ListAuditEventsResponse,
  type ListParticipantsResponse,
  type ListTransactionsRequest,
  type ListTransactionsResponse,
  type PauseParticipantRequest,
  type PauseParticipantResponse,
  type ResolveTransactionRequest,
  type ResolveTransactionResponse,
  type ResumeParticipantRequest,
  type ResumeParticipantResponse,
  type RetryTransactionRequest,
  type RetryTransactionResponse,
} from '../../wire/generated/pledged/v1/admin_service.ts'
import { ParticipantStatus } from '../../wire/generated/pledged/v1/participant.ts'
import { Transaction } from '../../wire/generated/pledged/v1/transaction.ts'
import {
  type GetTransactionRequest,
  type GetTransactionResponse,
  TransactionServiceService,
} from '../../wire/generated/pledged/v1/transaction_service.ts'
import { toStatus } from '../../wire/index.ts'

type Handler<Request, Response> = (request: Request) => Response

/** What a test answers an operator. One that isn't there is not implemented. */
export interface FakeOperations {
  resolveTransaction?: Handler<ResolveTransactionRequest, ResolveTransactionResponse>
  retryTransaction?: Handler<RetryTransactionRequest, RetryTransactionResponse>
  acknowledgeTransaction?: Handler<AcknowledgeTransactionRequest, AcknowledgeTransactionResponse>
  forgetBranch?: Handler<ForgetBranchRequest, ForgetBranchResponse>
  compareBranches?: Handler<CompareBranchesRequest, CompareBranchesResponse>
  pauseParticipant?: Handler<PauseParticipantRequest, PauseParticipantResponse>
  resumeParticipant?: Handler<ResumeParticipantRequest, ResumeParticipantResponse>
  listAuditEvents?: Handler<ListAuditEventsRequest, ListAuditEventsResponse>
}

export interface FakeDaemonOptions {
  /** Default: plain text. */
  readonly credentials?: ServerCredentials | undefined
  /** A file of the token that whoever calls has to show. */
  readonly tokenFile?: string | undefined
}

export class FakeDaemon implements AsyncDisposable {
  status: GetStatusResponse = GetStatusResponse.fromPartial({
    logId: 'k3f9qa7m2xw4',
    epoch: '9-q3f9',
    version: '0.1.0',
  })
  /** Unfinished ones first, the oldest first; then ended ones, the newest first. */
  transactions: Transaction[] = []
  participants: ParticipantStatus[] = []
  /** Refuses every call. */
  failure: PledgedError | undefined
  /** Answers nothing. */
  silent = false
  /** What operators ask for, and what they are answered. */
  operations: FakeOperations = {}
  readonly listRequests: ListTransactionsRequest[] = []
  readonly #door: TestDoor
  readonly #server: Server
  #port = 0

  constructor({ tokenFile }: FakeDaemonOptions) {
    this.#door = testDoor(tokenFile)
    this.#server = new Server({ interceptors: this.#door.interceptors })
  }

  static async start(options: FakeDaemonOptions = {}): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(options)
    await daemon.#listen(options.credentials ?? ServerCredentials.createInsecure())
    return daemon
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  async #listen(credentials: ServerCredentials): Promise<void> {
    this.#server.addService(AdminServiceService, {
      getStatus: this.#unary(() => this.status),
      listTransactions: this.#unary((request: ListTransactionsRequest) => this.#listTransactions(request)),
      listParticipants: this.#unary(
        (): ListParticipantsResponse => ({ participants: this.participants, nextPageToken: '' }),
      ),
      resolveTransaction: this.#operation('resolveTransaction'),
      retryTransaction: this.#operation('retryTransaction'),
      acknowledgeTransaction: this.#operation('acknowledgeTransaction'),
      forgetBranch: this.#operation('forgetBranch'),
      compareBranches: this.#operation('compareBranches'),
      pauseParticipant: this.#operation('pauseParticipant'),
      resumeParticipant: this.#operation('resumeParticipant'),
      listAuditEvents: this.#operation('listAuditEvents'),
    })
    this.#server.addService(TransactionServiceService, {
      getTransaction: this.#unary((request: GetTransactionRequest) => this.#getTransaction(request)),
    })
    this.#port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
        if (error === null) resolve(port)
        else reject(error)
      })
    })
  }

  #operation<Name extends keyof FakeOperations>(name: Name) {
    return this.#unary((request: Parameters<NonNullable<FakeOperations[Name]>>[0]) => {
      const operation = this.operations[name] as Handler<typeof request, unknown> | undefined
      if (operation !== undefined) return operation(request)
      throw new PledgedError('NOT_IMPLEMENTED', `${name} is not in this version`)
    })
  }

  #unary<Request, Response>(handler: Handler<Request, Response>) {
    return (call: ServerUnaryCall<Request, Response>, answer: sendUnaryData<Response>): void => {
      if (this.silent) return
      try {
        if (this.failure !== undefined) throw this.failure
        answer(null, handler(call.request))
      } catch (error) {
        answer(toStatus(error))
      }
    }
  }

  #listTransactions(request: ListTransactionsRequest): ListTransactionsResponse {
    this.listRequests.push(request)
    const all = this.transactions.filter(({ endTime }) => request.includeEnded || endTime === undefined)
    const from = Number(request.pageToken)
    const through = from + request.pageSize
    return {
      transactions: all.slice(from, through),
      nextPageToken: through < all.length ? String(through) : '',
      totalUnfinished: all.filter(({ endTime }) => endTime === undefined).length,
    }
  }

  #getTransaction({ key }: GetTransactionRequest): GetTransactionResponse {
    const transaction = this.transactions.find(({ xid }) => key?.$case === 'xid' && xid === key.value)
    if (transaction !== undefined) return { transaction }
    throw new PledgedError('XID_NOT_FOUND', `${key?.value} has not been issued`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown()
    this.#door.close()
    return Promise.resolve()
  }
}
