/**
 * What the log remembers. Only a decision is forced for its own sake; the others ride along with the next
 * forced write, unless said otherwise. An xid without a decision record is aborted, by presumption.
 */
import type { Xid } from '../base/ids.ts'
import type { Evidence, Verb } from './messages.ts'

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

export type LogRecord =
  | DecisionRecord
  | OnePhaseRecord
  | EndRecord
  | AbortedRecord
  | HeuristicRecord
  | ParticipantRecord
  | OperatorRecord
  | SupersededRecord

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
  readonly heuristics: readonly HeuristicRecord[]
}
