/** What the coordinator shows of itself to the admin service, the probes and whoever embeds it. */
import type { PledgedError } from '../base/errors.ts'
import type { Epoch, LogId } from '../base/ids.ts'
import type { OperatorRequest } from '../protocol/operators/index.ts'
import type { AuditRecord } from '../protocol/records.ts'
import type { Answer, GetRequest, Outcome, TransactionState, TransactionView } from '../protocol/requests.ts'
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
  /** In a row, since it was last well. */
  readonly failures: number
  /** When it is tried next; milliseconds since 1970. */
  readonly nextTryTimeMs?: number | undefined
  /** By an operator. */
  readonly pause?: { readonly who: string; readonly why: string; readonly timeMs: number } | undefined
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

/** How the log and a participant agree about a branch. */
export type BranchMatch = 'matched' | 'orphan' | 'foreign_living' | 'foreign_dead' | 'missing'

/** One branch, from both sides. */
export interface ComparedBranch {
  readonly participant: string
  /** As the participant has it. */
  readonly xid: string
  readonly match: BranchMatch
  /** Undefined: the participant doesn't hold it. */
  readonly prepareTimeMs?: number | undefined
  /** What the log says; unknown where it isn't this log's to say. */
  readonly outcome: Outcome
  /** What to make of it, in a sentence. */
  readonly message: string
}

export interface Comparison {
  /** By participant, then by xid. */
  readonly branches: readonly ComparedBranch[]
  /** Participants that could not be asked: nothing is said of their branches. */
  readonly unscanned: readonly { readonly participant: string; readonly message: string }[]
}

/** What AdminService is made of. */
export interface CoordinatorInspection {
  status(): StatusView
  listTransactions(query: TransactionQuery): Promise<TransactionPage>
  /** Asks the participants what they hold, all at once. Empty: all that are known. */
  compareBranches(participants: readonly string[]): Promise<Comparison>
  /** What operators did, as far as it is kept; oldest first. */
  audit(): readonly AuditRecord[]
  get(request: GetRequest): Promise<Answer>
}

export interface OperatorOrder {
  readonly who: string
  readonly why: string
  /** Say what would happen, and do nothing. */
  readonly dryRun?: boolean | undefined
  readonly request: OperatorRequest
}

/** What operators do. Rejects with PledgedError where it is refused; nothing has happened then. */
export interface OperatorApi {
  /** Answers, when it is durable, with what it means: in sentences. */
  operate(order: OperatorOrder): Promise<readonly string[]>
}
