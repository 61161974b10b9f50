import { PledgedError } from '../base/errors.ts'
import { isParticipantName } from '../base/ids.ts'
import { defaultLimits, type Limits } from '../base/limits.ts'
import { type Clock, systemClock } from '../base/ports.ts'
import type { CoordinatorInspection } from '../coordinator/views.ts'
import {
  type GetStatusResponse,
  type ListParticipantsRequest,
  type ListParticipantsResponse,
  type ListTransactionsRequest,
  ListTransactionsResponse,
} from '../wire/generated/pledged/v1/admin_service.ts'
import { type AdminHandlers, failureToProto, toDuration, transactionToProto } from '../wire/index.ts'
import { pageSizeOf, transactionQuery } from './list-request.ts'
import { ageOf, int32, participantToProto } from './participant-status.ts'

export interface AdminServiceOptions {
  readonly inspection: CoordinatorInspection
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

  constructor({ inspection, version, clock, limits }: AdminServiceOptions) {
    this.#inspection = inspection
    this.#version = version
    this.#clock = clock ?? systemClock
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
}
