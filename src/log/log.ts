/**
 * The log port. A log is opened by one process at a time; each opening raises the epoch durably before it
 * answers, so that an older opening can decide nothing more.
 *
 * - `append` answers in the order of the calls. A batch is answered without failure only when it and all
 *   earlier ones are on stable storage. After the first failure every later append fails too (R6).
 * - What was answered is found by every later `open`; what was not answered may or may not be.
 * - A look-up that answers after an append was answered has seen it: else a request that was repeated meanwhile
 *   would be looked up in vain, and run again.
 * - Everything read back was verified; damage is LOG_DAMAGED, never a shorter history (R7).
 *
 * Errors of `open`: LOG_IN_USE, LOG_DAMAGED, LOG_UNREADABLE.
 */
import type { PledgedError } from '../base/errors.ts'
import type { Epoch, LogId, Xid, XidPosition } from '../base/ids.ts'
import type {
  AuditRecord,
  BranchForgottenRecord,
  DecisionRecord,
  HeuristicRecord,
  KeptTransaction,
  LogRecord,
  OnePhaseRecord,
  ParticipantRecord,
  PauseRecord,
  Restoration,
  SupersededRecord,
} from '../protocol/records.ts'

/** The steps of an opening, in this order. */
export const OPEN_STAGES = ['lock', 'open', 'fence', 'checkpoint', 'replay'] as const
export type OpenStage = (typeof OPEN_STAGES)[number]

export interface OpenedLog {
  readonly logId: LogId
  /** Issued by this opening. */
  readonly epoch: Epoch
  /** Every epoch that this log has opened, oldest first, this one included. */
  readonly epochs: readonly Epoch[]
  /** Its records of before then are of xids of other logs. */
  readonly restored?: Restoration | undefined
  /** xids at or below are forgotten: nothing may be presumed of them (R9). */
  readonly forgottenThrough?: XidPosition | undefined
  /** Decided and without an end record, oldest first. */
  readonly unended: readonly DecisionRecord[]
  /** Handed to their one participant, with no record of how they ended (R17). */
  readonly handedOver: readonly OnePhaseRecord[]
  /** R11: this log was found to be an old copy, or a clone. */
  readonly superseded?: SupersededRecord | undefined
  /** Of transactions that are kept, ended or not; unacknowledged. */
  readonly heuristics: readonly HeuristicRecord[]
  /** Of unended transactions. */
  readonly branchesForgotten: readonly BranchForgottenRecord[]
  /** The latest of each participant, where it pauses. */
  readonly pauses: readonly PauseRecord[]
  /** The newest, limits.auditEventsMax of them; oldest first. */
  readonly audit: readonly AuditRecord[]
  readonly participants: readonly ParticipantRecord[]
  /** Transactions with a request id are kept that `unended` does not show. */
  readonly keepsRequests: boolean
}

export interface EndedQuery {
  readonly pageSize: number
  /** Continue below this place; newest first. */
  readonly before?: XidPosition | undefined
  readonly outcome?: 'committed' | 'aborted' | undefined
  readonly participant?: string | undefined
}

export interface LogCounters {
  /** Batches that were written and synced. */
  readonly forcedWrites: number
  readonly records: number
}

export interface Log {
  open(onStage?: (stage: OpenStage) => void): Promise<OpenedLog>
  append(records: readonly LogRecord[], done: (failure: PledgedError | undefined) => void): void
  findTransaction(xid: Xid): Promise<KeptTransaction | undefined>
  /** Every kept attempt of a request, oldest first. */
  findRequest(caller: string, requestId: string): Promise<readonly KeptTransaction[]>
  /** Ended transactions, newest first. */
  listEnded(query: EndedQuery): Promise<readonly KeptTransaction[]>
  /** The highest place such that every kept transaction at or below it ended before `endedBeforeMs`. */
  expired(endedBeforeMs: number): Promise<XidPosition | undefined>
  /**
   * Durably raises `forgottenThrough`, then drops what is at or below it, in small steps. Unended transactions
   * and unacknowledged heuristics are never dropped. Answers when the raise is durable.
   */
  forget(through: XidPosition): Promise<void>
  counters(): LogCounters
  /** Everything appended before is durable when it answers. */
  close(): Promise<void>
}
