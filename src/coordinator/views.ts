/** What the coordinator shows of itself to the admin service, the probes and whoever embeds it. */
import type { PledgedError } from '../base/errors.ts'
import type { Epoch, LogId } from '../base/ids.ts'
import type { TransactionState, TransactionView } from '../protocol/requests.ts'
import type { ParticipantRecoveryState } from '../recovery/index.ts'

export interface StatusView {
  readonly logId: LogId
  readonly epoch: Epoch
  readonly uptimeMs: number
  /** Transactions that have no decision yet. */
  readonly inFlight: number
  /** Transactions with a branch that pledged and does not know the decision yet, as far as the coordinator knows. */
  readonly inDoubt: number
  /** When the oldest of them prepared; milliseconds since 1970. */
  readonly oldestInDoubtTimeMs?: number | undefined
  /** Unacknowledged. */
  readonly heuristics: number
  readonly committed: number
  readonly aborted: number
  readonly forcedWrites: number
  readonly draining: boolean
  /** Why nothing is decided any more (R6). */
  readonly logFailure?: PledgedError | undefined
  readonly participants: readonly ParticipantView[]
}

export interface ParticipantView {
  readonly name: string
  readonly kind: string
  readonly resourceId: string
  readonly keepsWitnesses: boolean
  /** attached: it dialled in; dialled: the daemon dials it. */
  readonly link: 'attached' | 'dialled'
  readonly up: boolean
  readonly state: ParticipantRecoveryState
  readonly inDoubt: number
  readonly oldestInDoubtTimeMs?: number | undefined
  /** Prepared branches of other logs that its last scan showed. */
  readonly foreignBranches: number
  /** Those among them whose log has a coordinator that was seen there lately. */
  readonly foreignBranchesOfLivingLogs: number
  readonly lastError: string
  /** When it is tried next; milliseconds since 1970. */
  readonly nextTryTimeMs?: number | undefined
}

export interface TransactionQuery {
  readonly pageSize: number
  readonly pageToken: string
  /** Empty: all. */
  readonly states: readonly TransactionState[]
  readonly participant?: string | undefined
  readonly inDoubt?: boolean | undefined
  readonly heuristic?: boolean | undefined
  readonly minAgeMs?: number | undefined
  readonly includeEnded?: boolean | undefined
}

export interface TransactionPage {
  readonly transactions: readonly TransactionView[]
  /** Empty: the last page. */
  readonly nextPageToken: string
  /** Unfinished transactions that match, on all pages. */
  readonly totalUnfinished: number
}

export interface DrainReport {
  /** Unfinished when the drain ended: decisions that some participant has not acknowledged. */
  readonly undelivered: number
  readonly aborted: number
}

/** What AdminService is made of. */
export interface CoordinatorInspection {
  status(): StatusView
  listTransactions(query: TransactionQuery): Promise<TransactionPage>
}
