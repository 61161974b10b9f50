/**
 * What the log remembers. Only a decision is forced for its own sake; the others ride along with the next
 * forced write, unless said otherwise. An xid without a decision record is aborted, by presumption.
 */
import type { LogId, Xid } from '../base/ids.ts'
import type { Evidence, Verb } from './messages.ts'

/**
 * A restored log has an id of its own, and the records of the log that it was copied from. What those say is true;
 * nothing is presumed of that log's other xids, since it may have gone on after the copy was made.
 */
export interface Restoration {
  /** The log that was copied, the one that it had been restored from itself, and so on. */
  readonly logIds: readonly LogId[]
  readonly timeMs: number
}

/** The name under which a client may ask again; scoped to the caller's identity. */
export interface RequestRef {
  readonly caller: string
  readonly requestId: string
  readonly attempt: number
  /** Of branches, participants and work in their order. */
  readonly digest: string
}

/** The commit decision: the one forced write of a transaction. */
export interface DecisionRecord {
  readonly type: 'decision'
  readonly xid: Xid
  /** Participants that pledged and must be told; read-only branches are listed apart. */
  readonly branches: readonly string[]
  readonly readOnly: readonly string[]
  readonly owner: string
  readonly request?: RequestRef | undefined
  readonly createTimeMs: number
  readonly decideTimeMs: number
  readonly traceparent?: string | undefined
}

/**
 * R17: a transaction's only branch was handed to its participant, to be committed at once. Forced before the work is
 * sent: without a decision or an aborted record, only the participant can tell how it ended.
 */
export interface OnePhaseRecord {
  readonly type: 'one_phase'
  readonly xid: Xid
  readonly participant: string
  readonly owner: string
  readonly request?: RequestRef | undefined
  readonly createTimeMs: number
  readonly traceparent?: string | undefined
}

/** R11: a participant has seen a newer epoch of this log. Forced; a log that has it decides and presumes nothing. */
export interface SupersededRecord {
  readonly type: 'superseded'
  /** Who found out. */
  readonly participant: string
  readonly message: string
  readonly timeMs: number
}

/** All branches of a committed transaction have acknowledged (or are heuristic). */
export interface EndRecord {
  readonly type: 'end'
  readonly xid: Xid
  readonly endTimeMs: number
}

/** An aborted transaction that has ended; written so that people and repeated requests find it. */
export interface AbortedRecord {
  readonly type: 'aborted'
  readonly xid: Xid
  readonly branches: readonly string[]
  readonly owner: string
  readonly request?: RequestRef | undefined
  readonly cause: AbortCause
  readonly message: string
  readonly retryable: boolean
  readonly createTimeMs: number
  readonly decideTimeMs: number
  readonly endTimeMs: number
  readonly traceparent?: string | undefined
}

/** A branch that ended against the decision: forced, and reported until it is acknowledged. */
export interface HeuristicRecord {
  readonly type: 'heuristic'
  readonly xid: Xid
  readonly participant: string
  /** How the branch ended. */
  readonly ended: Verb
  readonly evidence: Evidence
  readonly message: string
  readonly timeMs: number
  /** R15: an operator committed before this branch had voted. How it ends is still to be seen. */
  readonly withoutVote?: boolean | undefined
}

/** A known participant (R9) and the resource that its name is bound to (R10). Forced before its first prepare. */
export interface ParticipantRecord {
  readonly type: 'participant'
  readonly name: string
  readonly kind: string
  readonly resourceId: string
  readonly keepsWitnesses: boolean
  readonly timeMs: number
}

/** R15: an operator's decision, forced before anything is sent. */
export interface OperatorRecord {
  readonly type: 'operator'
  readonly xid: Xid
  readonly decision: Verb
  readonly who: string
  readonly why: string
  readonly timeMs: number
}

/** I1: a person has looked at what these participants broke. It is reported no more, and may be forgotten. */
export interface AcknowledgementRecord {
  readonly type: 'acknowledgement'
  readonly xid: Xid
  readonly participants: readonly string[]
  readonly who: string
  readonly why: string
  readonly timeMs: number
}

/** The participant is gone for ever: its acknowledgement is waited for no longer (XA's forget). */
export interface BranchForgottenRecord {
  readonly type: 'branch_forgotten'
  readonly xid: Xid
  readonly participant: string
  readonly who: string
  readonly why: string
  readonly timeMs: number
}

/** The latest one of a participant counts. */
export interface PauseRecord {
  readonly type: 'pause'
  readonly participant: string
  readonly paused: boolean
  readonly who: string
  readonly why: string
  readonly timeMs: number
}

export const OPERATOR_ACTIONS = [
  'resolve_transaction',
  'retry_transaction',
  'acknowledge_transaction',
  'forget_branch',
  'pause_participant',
  'resume_participant',
] as const
export type OperatorAction = (typeof OPERATOR_ACTIONS)[number]

/**
 * What an operator did, for people. It is written with the record that has the effect, and outlives it: the
 * newest of them are kept when the transaction is long forgotten.
 */
export interface AuditRecord {
  readonly type: 'audit'
  readonly action: OperatorAction
  /** The xid; of another log, too. Empty: no transaction. */
  readonly subject: string
  /** Empty: none. */
  readonly participant: string
  readonly who: string
  readonly why: string
  /** What came of it, in words. */
  readonly result: string
  readonly timeMs: number
}

export type LogRecord =
  | DecisionRecord
  | OnePhaseRecord
  | EndRecord
  | AbortedRecord
  | HeuristicRecord
  | ParticipantRecord
  | OperatorRecord
  | SupersededRecord
  | AcknowledgementRecord
  | BranchForgottenRecord
  | PauseRecord
  | AuditRecord

/** Why a transaction aborted. */
export const ABORT_CAUSES = [
  'vote_no',
  'prepare_timeout',
  'participant_lost',
  'client',
  'idle_timeout',
  'session_lost',
  'operator',
  'pledge_expiring',
  'drain',
] as const
export type AbortCause = (typeof ABORT_CAUSES)[number]

/** All that the log has kept of one transaction. */
export interface KeptTransaction {
  readonly record: DecisionRecord | AbortedRecord
  readonly end?: EndRecord | undefined
  /** Acknowledged ones as well. */
  readonly heuristics: readonly HeuristicRecord[]
  readonly acknowledgements: readonly AcknowledgementRecord[]
  readonly branchesForgotten: readonly BranchForgottenRecord[]
}

/** Whether somebody has acknowledged what this participant broke. */
export function isAcknowledged(
  kept: Pick<KeptTransaction, 'acknowledgements'>,
  participant: string,
): boolean {
  return kept.acknowledgements.some(({ participants }) => participants.includes(participant))
}

/** The broken pledges that nobody has acknowledged. */
export function unacknowledged(kept: KeptTransaction): readonly HeuristicRecord[] {
  return kept.heuristics.filter(({ participant }) => !isAcknowledged(kept, participant))
}
