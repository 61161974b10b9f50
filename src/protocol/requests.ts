/** What applications ask of the coordinator, and the shape of the answers, apart from any transport. */
import type { Epoch, LogId, Xid } from '../base/ids.ts'
import type { Evidence, Vote } from './messages.ts'
import type { AbortCause } from './records.ts'

export interface BranchWork {
  readonly participant: string
  /** Opaque to the coordinator. */
  readonly work: Uint8Array
}

/** Lets a client ask again for a request whose answer it lost. */
export interface RequestName {
  readonly requestId: string
  /** 1 for the first; the deliberate retry of an aborted attempt is the next. */
  readonly attempt: number
  /** Milliseconds since 1970, by the client's clock, when the first attempt was first sent. */
  readonly firstSentTimeMs?: number | undefined
}

export type WaitFor = 'decision' | 'completion'

interface ExecuteOptions {
  readonly caller: string
  readonly name?: RequestName | undefined
  readonly branches: readonly BranchWork[]
  readonly prepareTimeoutMs?: number | undefined
  readonly waitFor: WaitFor
  /** Milliseconds until the caller stops waiting. */
  readonly deadlineInMs?: number | undefined
  readonly traceparent?: string | undefined
}

export interface ExecuteRequest extends ExecuteOptions {}

export interface BeginRequest {
  readonly caller: string
  readonly idleTimeoutMs?: number | undefined
  readonly traceparent?: string | undefined
}

/** Names a session of this coordinator; no number is used twice in an epoch. */
export type SessionNumber = number

/** A branch that the application prepares itself, on a connection of its own (R12). */
export interface PreparedBranch {
  readonly participant: string
  /** The durable id of the resource that the connection leads to: that of the participant, or it is refused (R10). */
  readonly resourceId: string
  /** In the resource's own words, for people: the session of the database that did the work. */
  readonly connectionId: string
  /** Said in the commit: it changed nothing, and was ended without being prepared. */
  readonly readOnly?: boolean | undefined
}

export interface CommitRequest extends ExecuteOptions {
  readonly xid: string
  /** By which session it came; undefined: by a call of its own. */
  readonly session?: SessionNumber | undefined
  /** Exactly those that were enlisted; none but over a session. */
  readonly preparedBranches?: readonly PreparedBranch[] | undefined
}

export interface AbortRequest {
  readonly caller: string
  readonly xid: string
  readonly session?: SessionNumber | undefined
}

export interface EnlistRequest {
  readonly session: SessionNumber
  /** Leased by the session, or begun by it. */
  readonly xid: string
  readonly branch: PreparedBranch
}

/** How a branch that the application prepared ended on its own connection, once it was decided. */
export interface ApplicationEnding {
  readonly xid: string
  readonly participant: string
  /** done: as was decided. unknown: the coordinator's own connection has to find out. */
  readonly result: 'done' | 'unknown'
}

export type GetRequest =
  /** Its owner is told; an operator of anyone's. */
  | { readonly caller: string; readonly xid: string; readonly anyOwner?: boolean | undefined }
  | { readonly caller: string; readonly requestId: string }

export interface Answer {
  readonly transaction: TransactionView
  /** The request had been made before; nothing was run for it now. */
  readonly replayed: boolean
}

/** The coordinator as applications see it. Rejects with PledgedError where a request was not accepted. */
export interface TransactionApi {
  execute(request: ExecuteRequest): Promise<Answer>
  begin(request: BeginRequest): Promise<Answer>
  commit(request: CommitRequest): Promise<Answer>
  abort(request: AbortRequest): Promise<Answer>
  get(request: GetRequest): Promise<Answer>
}

/** Consecutive xids of the current epoch that only one session may use. `count` 0: it may have no more for now. */
export interface XidLease {
  readonly firstSequence: number
  readonly count: number
}

export interface SessionListener {
  /** The answer to each `lease`, and once at the opening. */
  leased(lease: XidLease): void
  /** The coordinator ends it: nothing more is taken, and what was not committed has aborted. Called at most once. */
  ended(reason: string): void
}

/**
 * An application's session: the calls of TransactionApi, with leased xids and branches that the application prepares
 * itself. What is asked is handled in the order in which it is asked. After `close`, or `ended`, every call rejects.
 */
export interface Session {
  readonly logId: LogId
  readonly epoch: Epoch
  /** Asks for more xids: the listener is told. */
  lease(count: number): void
  /** Resolves once the branch is known, and may be prepared. */
  enlist(request: Omit<EnlistRequest, 'session'>): Promise<void>
  execute(request: ExecuteRequest): Promise<Answer>
  commit(request: CommitRequest): Promise<Answer>
  abort(request: AbortRequest): Promise<Answer>
  get(request: GetRequest): Promise<Answer>
  acknowledge(ending: ApplicationEnding): void
  /** What was enlisted and not committed aborts; what was asked before is answered all the same. Idempotent. */
  close(reason: string): void
}

export interface SessionOptions {
  readonly caller: string
  /** A newer session of the same client ends the older one. Empty: none. */
  readonly clientId: string
  /** Xids that it wants first. 0: the coordinator's choice. */
  readonly leaseSize: number
  readonly listener: SessionListener
}

export interface SessionApi {
  /** Throws where no session is taken now. The first lease comes to the listener. */
  openSession(options: SessionOptions): Session
}

export const TRANSACTION_STATES = [
  'active',
  'preparing',
  'committing',
  'aborting',
  'committed',
  'aborted',
] as const
export type TransactionState = (typeof TRANSACTION_STATES)[number]

/** pending: not decided yet. unknown: can not be learned; never rounded to one of the others. */
export type Outcome = 'pending' | 'committed' | 'aborted' | 'unknown'

export const BRANCH_STATES = [
  'enlisted',
  'preparing',
  'prepared',
  'read_only',
  'committing',
  'committed',
  'aborting',
  'aborted',
  'heuristic_committed',
  'heuristic_aborted',
  'forgotten',
] as const
export type BranchState = (typeof BRANCH_STATES)[number]

export interface BranchView {
  readonly participant: string
  readonly state: BranchState
  readonly vote?: Vote | undefined
  /** Deliveries of the decision that were tried. */
  readonly attempts: number
  readonly lastError?: { readonly message: string; readonly timeMs: number } | undefined
  readonly evidence: Evidence
  /** What the doubt costs at the participant, by its last scan. */
  readonly cost?: string | undefined
}

export const TIMELINE_KINDS = [
  'begun',
  'prepare_sent',
  'voted',
  'append_posted',
  'decided',
  'delivery_tried',
  'acknowledged',
  'ended',
  'broken',
  'operator',
] as const
export type TimelineKind = (typeof TIMELINE_KINDS)[number]

export interface TimelineEvent {
  readonly timeMs: number
  /** Empty for the transaction as a whole. */
  readonly participant: string
  readonly kind: TimelineKind
  readonly message: string
}

/** One transaction as clients and operators see it. Times are milliseconds since 1970. */
export interface TransactionView {
  readonly xid: Xid
  readonly state: TransactionState
  readonly outcome: Outcome
  readonly abortCause?: AbortCause | undefined
  readonly abortMessage: string
  /** Aborted for a reason that may be gone at the next attempt. */
  readonly retryable: boolean
  readonly branches: readonly BranchView[]
  readonly heuristic: boolean
  readonly requestId: string
  readonly attempt: number
  readonly createTimeMs: number
  readonly decideTimeMs?: number | undefined
  readonly endTimeMs?: number | undefined
  readonly timeline: readonly TimelineEvent[]
  readonly traceparent: string
}
