/**
 * What the coordinator and a participant say to each other, whatever carries it (a stream, a worker thread, a
 * simulated network). A branch is named after its participant, so a link's messages need only the xid.
 *
 * A participant may see any message again, and late: prepare is sent once, commit and abort until they are
 * acknowledged.
 */
import type { Xid } from '../base/ids.ts'

/** A yes pledges: from then on the branch can commit and can abort, through any crash, and waits to be told. */
export type Vote =
  | { readonly vote: 'yes'; readonly pledgeTtlMs?: number | undefined }
  | { readonly vote: 'no'; readonly message: string; readonly retryable: boolean }
  | { readonly vote: 'read_only' }
  /** R17, in answer to a one-phase prepare alone: the branch has committed, and so has the transaction. */
  | { readonly vote: 'committed' }

export type Verb = 'commit' | 'abort'

/**
 * done: now. done_before: it had ended so already. broken: it ended the other way (a heuristic). unknown: ask
 * again; it is never rounded to any of the others.
 */
export type BranchResult = 'done' | 'done_before' | 'broken' | 'unknown'

/** What a participant's witness says of an xid. none: this participant keeps no witnesses, or could not look. */
export type Evidence = 'none' | 'witness_committed' | 'witness_aborted' | 'no_witness'

export interface HeldBranch {
  /** As the participant recorded it; it may be another log's, and need not be well-formed. */
  readonly xid: string
  /** Milliseconds since 1970. */
  readonly prepareTimeMs: number
  /** What the doubt costs there, in words: the locks that it holds, the clean-up that it holds back. */
  readonly cost?: string | undefined
  /** Of another log's branch: when a coordinator of that log was last admitted there (R11). Milliseconds since 1970. */
  readonly logSeenTimeMs?: number | undefined
}

export type CoordinatorMessage =
  | {
      readonly type: 'prepare'
      readonly xid: Xid
      readonly work: Uint8Array
      readonly timeoutMs: number
      /** R17: the only branch; it may be committed at once. */
      readonly onePhase?: boolean | undefined
    }
  | { readonly type: 'commit'; readonly xid: Xid }
  | { readonly type: 'abort'; readonly xid: Xid }
  /** R4: what does your witness say of this xid? */
  | { readonly type: 'evidence_question'; readonly xid: Xid }
  /** R5: the end record is durable; the witness of exactly this xid may go. Not acknowledged. */
  | { readonly type: 'forget'; readonly xid: Xid }
  /** An empty page token starts a scan. */
  | { readonly type: 'list_prepared'; readonly pageSize: number; readonly pageToken: string }

export type ParticipantMessage =
  | { readonly type: 'vote'; readonly xid: Xid; readonly vote: Vote }
  | {
      readonly type: 'result'
      readonly xid: Xid
      readonly verb: Verb
      readonly result: BranchResult
      readonly message: string
      readonly evidence: Evidence
    }
  | {
      readonly type: 'evidence_answer'
      readonly xid: Xid
      readonly evidence: Evidence
      readonly message: string
    }
  /** One page of a scan; an empty next token ends it. */
  | { readonly type: 'held'; readonly branches: readonly HeldBranch[]; readonly nextPageToken: string }
  /** The scan could not be made; nothing may be concluded from it. */
  | { readonly type: 'scan_failed'; readonly message: string }
  /** The last message of a link. superseded: this log has been opened in a newer epoch since (R11). */
  | { readonly type: 'admission_refused'; readonly superseded: boolean; readonly message: string }

/** How a participant introduces itself. */
export interface ParticipantIdentity {
  readonly name: string
  /** 'sqlite', 'offsets', or the participant's own word. */
  readonly kind: string
  /** Drawn by each process (or thread) that serves the participant. */
  readonly instanceId: string
  /** Durable, of the resource itself; bound to the name in the log. */
  readonly resourceId: string
  readonly keepsWitnesses: boolean
  /** R17: it commits a transaction's only branch at once where it may. Left out: it pledges as always. */
  readonly onePhase?: boolean | undefined
}
