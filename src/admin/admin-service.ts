import { PledgedError } from '../base/errors.ts'
import { isParticipantName } from '../base/ids.ts'
import { defaultLimits, type Limits } from '../base/limits.ts'
import { type Clock, systemClock } from '../base/ports.ts'
import type { CoordinatorInspection, OperatorApi } from '../coordinator/views.ts'
import {
  type AcknowledgeTransactionRequest,
  type AcknowledgeTransactionResponse,
  type CompareBranchesRequest,
  type CompareBranchesResponse,
  type ForgetBranchRequest,
  type ForgetBranchResponse,
  type GetStatusResponse,
  type ListAuditEventsRequest,
  type ListAuditEventsResponse,
  type ListParticipantsRequest,
  type ListParticipantsResponse,
  type ListTransactionsRequest,
  ListTransactionsResponse,
  type PauseParticipantRequest,
  type PauseParticipantResponse,
  type ResolveTransactionRequest,
  type ResolveTransactionResponse,
  type ResumeParticipantRequest,
  type ResumeParticipantResponse,
  type RetryTransactionRequest,
  type RetryTransactionResponse,
} from '../wire/generated/pledged/v1/admin_service.ts'
import {
  type AdminHandlers,
  type CallFacts,
  failureToProto,
  toDuration,
  transactionToProto,
} from '../wire/index.ts'
import { auditPage } from './audit-page.ts'
import { comparisonPage } from './comparison-page.ts'
import { pageSizeOf, transactionQuery } from './list-request.ts'
import { Operations } from './operations.ts'
import { participantOf } from './operator-request.ts'
import { ageOf, int32, participantToProto } from './participant-status.ts'

export interface AdminServiceOptions {
  readonly inspection: CoordinatorInspection
  readonly operators: OperatorApi
  /** Of the daemon. */
  readonly version: string
  readonly clock?: Clock | undefined
  readonly limits?: Pick<Limits, 'batchBytesMax'> | undefined
}

export class AdminService implements AdminHandlers {
  readonly #inspection: CoordinatorInspection
  readonly #version: string
  readonly #clock: Clock
  readonly #pageBytesMax: number
  readonly #operations: Operations

  constructor({ inspection, operators, version, clock, limits }: AdminServiceOptions) {
    this.#inspection = inspection
    this.#version = version
    this.#clock = clock ?? systemClock
    this.#operations = new Operations({ inspection, operators, clock: this.#clock })
    this.#pageBytesMax = (limits ?? defaultLimits).batchBytesMax
  }

  async getStatus(): Promise<GetStatusResponse> {
    const status = this.#inspection.status()
    const nowMs = this.#clock.wallMs()
    return {
      logId: status.logId,
      epoch: status.epoch,
      version: this.#version,
      uptime: toDuration(status.uptimeMs),
      inFlight: int32(status.inFlight),
      inDoubt: int32(status.inDoubt),
      oldestInDoubt: ageOf(status.oldestInDoubtTimeMs, nowMs),
      heuristics: int32(status.heuristics),
      participants: status.participants.map((view) => participantToProto(view, nowMs)),
      draining: status.draining,
      logFailure: status.logFailure === undefined ? undefined : failureToProto(status.logFailure),
      committed: BigInt(status.committed),
      aborted: BigInt(status.aborted),
      forcedWrites: BigInt(status.forcedWrites),
    }
  }

  async listTransactions(request: ListTransactionsRequest): Promise<ListTransactionsResponse> {
    const query = transactionQuery(request)
    for (let pageSize = query.pageSize; ; ) {
      const page = await this.#inspection.listTransactions({ ...query, pageSize })
      const response: ListTransactionsResponse = {
        transactions: page.transactions.map((view) => transactionToProto(view)),
        nextPageToken: page.nextPageToken,
        totalUnfinished: int32(page.totalUnfinished),
      }
      const bytes = ListTransactionsResponse.encode(response).finish().byteLength
      if (bytes <= this.#pageBytesMax || response.transactions.length <= 1) return response
      // Long timelines: as many as fit if the others are like these, and at least one, so that it ends.
      pageSize = Math.max(1, Math.floor((response.transactions.length * this.#pageBytesMax) / bytes / 2))
    }
  }

  async listParticipants(request: ListParticipantsRequest): Promise<ListParticipantsResponse> {
    const pageSize = pageSizeOf(request.pageSize)
    const after = request.pageToken
    if (after !== '' && !isParticipantName(after)) {
      throw new PledgedError('INVALID_REQUEST', 'page_token is not one that an earlier page gave')
    }
    const nowMs = this.#clock.wallMs()
    const following = this.#inspection
      .status()
      .participants.filter(({ name }) => name > after)
      .toSorted((left, right) => (left.name < right.name ? -1 : 1))
    const page = following.slice(0, pageSize)
    return {
      participants: page.map((view) => participantToProto(view, nowMs)),
      nextPageToken: following.length > pageSize ? (page.at(-1)?.name ?? '') : '',
    }
  }

  async compareBranches(request: CompareBranchesRequest): Promise<CompareBranchesResponse> {
    const participants = request.participants.map(participantOf)
    return comparisonPage(await this.#inspection.compareBranches(participants), request)
  }

  async listAuditEvents(request: ListAuditEventsRequest): Promise<ListAuditEventsResponse> {
    return auditPage(this.#inspection.audit(), request)
  }

  resolveTransaction(
    request: ResolveTransactionRequest,
    { caller }: CallFacts,
  ): Promise<ResolveTransactionResponse> {
    return this.#operations.resolve(request, caller)
  }

  retryTransaction(
    request: RetryTransactionRequest,
    { caller }: CallFacts,
  ): Promise<RetryTransactionResponse> {
    return this.#operations.retry(request, caller)
  }

  acknowledgeTransaction(
    request: AcknowledgeTransactionRequest,
    { caller }: CallFacts,
  ): Promise<AcknowledgeTransactionResponse> {
    return this.#operations.acknowledge(request, caller)
  }

  forgetBranch(request: ForgetBranchRequest, { caller }: CallFacts): Promise<ForgetBranchResponse> {
    return this.#operations.forgetBranch(request, caller)
  }

  pauseParticipant(
    request: PauseParticipantRequest,
    { caller }: CallFacts,
  ): Promise<PauseParticipantResponse> {
    return this.#operations.pause(request, caller)
  }

  resumeParticipant(
    request: ResumeParticipantRequest,
    { caller }: CallFacts,
  ): Promise<ResumeParticipantResponse> {
    return this.#operations.resume(request, caller)
  }
}
