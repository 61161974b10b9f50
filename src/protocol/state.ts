/**
 * The state of the core: what is unfinished, who takes part, which requests are remembered. It is mutable and
 * belongs to `step` alone; the shell reads it through the views.
 */

import { present } from '../base/assert.ts'
import { ChurningMap, ChurningSet } from '../base/churning.ts'
import type { PledgedError } from '../base/errors.ts'
import type { Epoch, LogId, Xid, XidPosition } from '../base/ids.ts'
import { epochNumber } from '../base/ids.ts'
import type { Limits } from '../base/limits.ts'
import { Deadlines } from './deadlines.ts'
import type { Effect } from './effects.ts'
import type { Now, ReplyTo } from './events.ts'
import type { Evidence, HeldBranch, Verb, Vote } from './messages.ts'
import type {
  AbortCause,
  AuditRecord,
  BranchForgottenRecord,
  DecisionRecord,
  HeuristicRecord,
  OnePhaseRecord,
  ParticipantRecord,
  PauseRecord,
  RequestRef,
  Restoration,
  SupersededRecord,
} from './records.ts'
import { RequestIndex } from './request-index.ts'
import type { BranchState, PreparedBranch, SessionNumber, TimelineEvent, WaitFor } from './requests.ts'

/**
 * active: begun, no branches yet. preparing: votes are out. appending: the decision is posted; from here only
 * the log's answer moves it (R1). resolving: likewise, for an operator's abort. handing_over: likewise, for the
 * record of a one-phase commit. handed_over: only its participant can tell how it ends (R17). committing and
 * aborting: decided, not acknowledged by all. ended: acknowledged by all, its last record is not durable yet.
 */
export type Phase =
  | 'active'
  | 'preparing'
  | 'appending'
  | 'resolving'
  | 'handing_over'
  | 'handed_over'
  | 'committing'
  | 'aborting'
  | 'ended'

export interface Branch {
  readonly participant: string
  state: BranchState
  vote: Vote | undefined
  attempts: number
  lastError: { readonly message: string; readonly timeMs: number } | undefined
  evidence: Evidence
  /** While it is held prepared: what that costs, by the last scan. */
  cost: string | undefined
  /** Its application prepares it, and ends it, on this connection of its own. */
  readonly byApplication: PreparedBranch | undefined
}

export interface Waiter {
  readonly replyTo: ReplyTo
  readonly waitFor: WaitFor
  readonly replayed: boolean
  readonly transaction: Transaction
}

export interface Transaction {
  readonly xid: Xid
  readonly epochNumber: number
  readonly sequence: number
  readonly owner: string
  readonly createTimeMs: number
  readonly traceparent: string
  /** Where it was begun by one, while that is open. */
  session: SessionState | undefined
  request: RequestRef | undefined
  phase: Phase
  decision: Verb | undefined
  /** The log has its decision record. */
  recorded: boolean
  /**
   * The answer to its one-phase commit was lost (R17). What was sent may still be carried out, late: the witness
   * that bars it stays for good.
   */
  answerLost: boolean
  /** Nobody knows: until the log is opened again (R6), or until the participant can be asked (R17). */
  unknown: boolean
  cause: AbortCause | undefined
  message: string
  retryable: boolean
  heuristic: boolean
  branches: Branch[]
  votesMissing: number
  /** Branches that have not acknowledged the decision. */
  unacknowledged: number
  prepareSent: Now | undefined
  /** The shortest pledge_ttl among the yes votes. */
  pledgeTtlMs: number | undefined
  waiters: Waiter[]
  decideTimeMs: number | undefined
  endTimeMs: number | undefined
  timeline: TimelineEvent[]
}

/** Xids in a row that only one session may begin. */
export interface Lease {
  readonly firstSequence: number
  readonly count: number
  /** A byte each; 1: it was begun, or revoked. */
  readonly used: Uint8Array
  unused: number
}

export interface SessionState {
  readonly number: SessionNumber
  readonly caller: string
  readonly clientId: string
  /** Those with something unused. */
  leases: Lease[]
  /** In all of them. */
  unused: number
  /** Begun by it, and not released yet. */
  readonly transactions: ChurningSet<Transaction>
}

/** A decision that a participant has not acknowledged. */
export interface Owed {
  readonly verb: Verb
  /** Undefined for a branch whose transaction is no longer in memory (presumed, or ended long ago). */
  readonly transaction: Transaction | undefined
  /** When it was last sent on the present link; undefined when it has to be sent (again). */
  sentMs: number | undefined
  attempts: number
  readonly sinceTimeMs: number
  lastError: string
}

/** A scan under way. */
export interface Scan {
  readonly startedMs: number
  readonly held: HeldBranch[]
  heldBytes: number
  /** Branches that ended while the scan ran: the pages may still show them. */
  readonly endedMeanwhile: Set<string>
}

export interface ParticipantState {
  readonly name: string
  kind: string
  /** Bound to the name in the log; empty where the participant has none. */
  resourceId: string
  keepsWitnesses: boolean
  /** It commits an only branch at once where it may (R17). */
  onePhase: boolean
  /** The log knows it: prepares may be sent. */
  known: boolean
  /** The present link, or undefined. */
  link: number | undefined
  /** A link that waits for the record of its participant. */
  admitting: number | undefined
  readonly voting: ChurningSet<Transaction>
  readonly owed: ChurningMap<Xid, Owed>
  /** Those among `owed` that recovery delivers. */
  readonly troubled: Set<Xid>
  scan: Scan | undefined
  /** Somebody waits for what the scan under way finds. */
  looked: boolean
  /** By an operator: it is sent no new work, and recovery leaves it alone. */
  pause: PauseRecord | undefined
  foreign: HeldBranch[]
  /** Ended transactions whose witness may go, for a participant that is away. */
  forgets: Xid[]
  /** It has shown, since the present candidate of forgetting was named, that it holds nothing at or below it. */
  clearOfCandidate: boolean
}

/** R4: before an undecided branch is presumed aborted, those that keep witnesses are asked. */
export interface Inquiry {
  readonly xid: Xid
  readonly holders: Map<string, number>
  readonly awaiting: Set<string>
  readonly startedMs: number
}

export interface ProtocolState {
  readonly limits: Limits
  readonly logId: LogId
  readonly epoch: Epoch
  readonly epochNumber: number
  readonly epochs: ReadonlySet<Epoch>
  /** Undefined: this log was not restored from a backup. */
  readonly restored: Restoration | undefined
  forgottenThrough: XidPosition | undefined
  forgetCandidate: { readonly through: XidPosition; readonly namedMs: number } | undefined
  nextSequence: number
  readonly transactions: ChurningMap<Xid, Transaction>
  readonly participants: Map<string, ParticipantState>
  readonly sessions: Map<SessionNumber, SessionState>
  readonly requests: RequestIndex
  readonly inquiries: Map<Xid, Inquiry>
  /** Unacknowledged, by xid and participant. */
  readonly heuristics: Map<string, HeuristicRecord>
  /** What operators did, as far as it is kept; oldest first. */
  readonly audit: AuditRecord[]
  /** Of votes that are missing and of owners that are idle. */
  readonly deadlines: Deadlines<Transaction>
  /** Of those that wait for completion. */
  readonly waiterDeadlines: Deadlines<Waiter>
  failure: PledgedError | undefined
  /** It was known to be superseded when it was opened (R11). */
  barred: boolean
  draining: boolean
  committed: number
  aborted: number
}

/** What the log gave at its opening. */
export interface Replay {
  readonly logId: LogId
  readonly epoch: Epoch
  readonly epochs: readonly Epoch[]
  readonly restored?: Restoration | undefined
  readonly forgottenThrough?: XidPosition | undefined
  readonly unended: readonly DecisionRecord[]
  readonly handedOver: readonly OnePhaseRecord[]
  readonly superseded?: SupersededRecord | undefined
  readonly heuristics: readonly HeuristicRecord[]
  readonly branchesForgotten: readonly BranchForgottenRecord[]
  readonly pauses: readonly PauseRecord[]
  readonly audit: readonly AuditRecord[]
  readonly participants: readonly ParticipantRecord[]
  readonly keepsRequests: boolean
}

/** One step: the state, the time, and the effects so far. */
export interface Turn {
  readonly state: ProtocolState
  readonly now: Now
  readonly effects: Effect[]
}

export function emptyState(replay: Replay, limits: Limits): ProtocolState {
  return {
    limits,
    logId: replay.logId,
    epoch: replay.epoch,
    epochNumber: epochNumber(replay.epoch),
    epochs: new Set(replay.epochs),
    restored: replay.restored,
    forgottenThrough: replay.forgottenThrough,
    forgetCandidate: undefined,
    nextSequence: 1,
    transactions: new ChurningMap(),
    participants: new Map(),
    sessions: new Map(),
    requests: new RequestIndex(limits.requestsRememberedMin, replay.keepsRequests),
    inquiries: new Map(),
    heuristics: new Map(),
    audit: [...replay.audit],
    deadlines: new Deadlines(),
    waiterDeadlines: new Deadlines(),
    failure: undefined,
    barred: false,
    draining: false,
    committed: 0,
    aborted: 0,
  }
}

/** What a transaction is from its first moment on; all else it becomes. */
type TransactionOrigin = Pick<
  Transaction,
  'xid' | 'epochNumber' | 'sequence' | 'owner' | 'createTimeMs' | 'traceparent'
>

export function newTransaction(origin: TransactionOrigin): Transaction {
  return {
    ...origin,
    session: undefined,
    request: undefined,
    phase: 'active',
    decision: undefined,
    recorded: false,
    answerLost: false,
    unknown: false,
    cause: undefined,
    message: '',
    retryable: false,
    heuristic: false,
    branches: [],
    votesMissing: 0,
    unacknowledged: 0,
    prepareSent: undefined,
    pledgeTtlMs: undefined,
    waiters: [],
    decideTimeMs: undefined,
    endTimeMs: undefined,
    timeline: [],
  }
}

export function newBranch(participant: string, state: BranchState): Branch {
  return {
    participant,
    state,
    vote: undefined,
    attempts: 0,
    lastError: undefined,
    evidence: 'none',
    cost: undefined,
    byApplication: undefined,
  }
}

export function newParticipant(name: string): ParticipantState {
  return {
    name,
    kind: '',
    resourceId: '',
    keepsWitnesses: false,
    onePhase: false,
    known: false,
    link: undefined,
    admitting: undefined,
    voting: new ChurningSet(),
    owed: new ChurningMap(),
    troubled: new Set(),
    scan: undefined,
    looked: false,
    pause: undefined,
    foreign: [],
    forgets: [],
    clearOfCandidate: false,
  }
}

export function participantOf(turn: Turn, name: string): ParticipantState {
  return present(turn.state.participants.get(name), `participant ${name} is registered`)
}

/** The participant's share of a transaction, if it has one. */
export function branchAt(transaction: Transaction | undefined, participant: string): Branch | undefined {
  return transaction?.branches.find((branch) => branch.participant === participant)
}

/** Whether recovery may speak to it now. */
export function isReachable(participant: ParticipantState): boolean {
  return participant.link !== undefined && participant.pause === undefined
}

/** A person is needed already: what a witness said of it stands. */
export function isHeuristic(turn: Turn, xid: Xid): boolean {
  for (const record of turn.state.heuristics.values()) if (record.xid === xid) return true
  return false
}

export function heuristicKey(xid: Xid, participant: string): string {
  return `${xid}/${participant}`
}

export function note(
  turn: Turn,
  transaction: Transaction,
  kind: TimelineEvent['kind'],
  participant = '',
  message = '',
): void {
  // A branch that is tried for days must not grow without bound: the beginning is kept, it tells the story.
  if (transaction.timeline.length >= TIMELINE_EVENTS_MAX) return
  transaction.timeline.push({ timeMs: turn.now.wallMs, participant, kind, message })
}

const TIMELINE_EVENTS_MAX = 256
