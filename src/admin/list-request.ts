/** What an operator asks for, checked field by field. */
import { PledgedError } from '../base/errors.ts'
import type { TransactionQuery } from '../coordinator/views.ts'
import type { TransactionState } from '../protocol/requests.ts'
import type * as proto from '../wire/generated/pledged/v1/admin_service.ts'
import { fromOptionalDuration, transactionStates } from '../wire/index.ts'
import { participantOf } from './operator-request.ts'

const PAGE_SIZE_DEFAULT = 50
const PAGE_SIZE_MAX = 1_000

export function transactionQuery(request: proto.ListTransactionsRequest): TransactionQuery {
  return {
    pageSize: pageSizeOf(request.pageSize, PAGE_SIZE_DEFAULT),
    pageToken: request.pageToken,
    states: request.states.map(stateOf),
    participant: request.participant === '' ? undefined : participantOf(request.participant),
    inDoubt: request.inDoubt,
    heuristic: request.heuristic,
    minAgeMs: minAgeOf(request.minAge),
    includeEnded: request.includeEnded,
  }
}

/** 0: the default. More than a page may hold is not a mistake: the page is as long as it may be (AIP-158). */
export function pageSizeOf(pageSize: number, fallback = PAGE_SIZE_MAX): number {
  if (pageSize < 0)
    throw invalid(`page_size is ${pageSize}: it has to be 1 to ${PAGE_SIZE_MAX}, or 0 for the default`)
  return pageSize === 0 ? fallback : Math.min(pageSize, PAGE_SIZE_MAX)
}

function stateOf(value: number, index: number): TransactionState {
  const state = transactionStates.fromProto(value)
  if (state !== undefined) return state
  throw invalid(
    `states[${index}] is ${value}, which is no state: leave states empty for all, or name STATE_ACTIVE, ` +
      'STATE_PREPARING, STATE_COMMITTING, STATE_ABORTING, STATE_COMMITTED or STATE_ABORTED',
  )
}

function minAgeOf(minAge: proto.ListTransactionsRequest['minAge']): number | undefined {
  const ms = fromOptionalDuration('min_age', minAge)
  if (ms === undefined || ms >= 0) return ms
  throw invalid('min_age is negative: it is the least time since a transaction was created')
}

function invalid(message: string): PledgedError {
  return new PledgedError('INVALID_REQUEST', message)
}
