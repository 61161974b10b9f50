/** Effects: everything that the core can ask for. The shell carries them out in their order. */
import type { PledgedError } from '../base/errors.ts'
import type { Xid } from '../base/ids.ts'
import type { FindPurpose, NamedEvent, ReplyTo } from './events.ts'
import type { CoordinatorMessage, HeldBranch } from './messages.ts'
import type { Plan } from './operators/plan.ts'
import type { AuditRecord, LogRecord } from './records.ts'
import type { SessionNumber, TransactionView, XidLease } from './requests.ts'

/** Comes back with the log's answer. */
export type AppendToken =
  | { readonly of: 'decision'; readonly xid: Xid }
  | { readonly of: 'one_phase'; readonly xid: Xid; readonly timeoutMs: number }
  | { readonly of: 'end'; readonly xid: Xid }
  | { readonly of: 'operator'; readonly replyTo: ReplyTo; readonly plan: Plan; readonly audit: AuditRecord }
  | { readonly of: 'audit' }
  | { readonly of: 'participant'; readonly name: string; readonly link: number }
  | { readonly of: 'heuristic' }
  | { readonly of: 'superseded' }

export interface SendEffect {
  readonly type: 'send'
  readonly participant: string
  readonly message: CoordinatorMessage
}

/**
 * Disk before network, as structure: `then` leaves only when the log has answered that the records are on
 * stable storage, and never if it failed. A lazy append waits for the next forced one, or for a short time.
 */
export interface AppendEffect {
  readonly type: 'append'
  readonly records: readonly LogRecord[]
  readonly forced: boolean
  readonly token: AppendToken
  readonly then: readonly SendEffect[]
}

/** What recovery must know of a participant. */
export type RecoverySignal =
  | { readonly type: 'link_up' }
  | { readonly type: 'link_down'; readonly reason: string }
  /** Another resource under a known name (R10). */
  | { readonly type: 'impostor'; readonly reason: string }
  /** A decision could not be delivered in the ordinary way. */
  | { readonly type: 'owed'; readonly reason: string }
  | { readonly type: 'scanned'; readonly unsettled: boolean }
  | { readonly type: 'scan_failed'; readonly reason: string }
  /** A delivery was answered "unknown", or not at all. */
  | { readonly type: 'delivery_failed'; readonly reason: string }
  /** R12: a session that had enlisted branches here has ended: what it had begun may yet be prepared. */
  | { readonly type: 'session_broken' }
  /** Nothing is left of what recovery had to deliver. */
  | { readonly type: 'settled' }
  /** An operator wants it to be left alone, or no longer; `up`: it is connected. */
  | { readonly type: 'paused' }
  | { readonly type: 'resumed'; readonly up: boolean }
  /** An operator doesn't want to wait for the back-off. */
  | { readonly type: 'retry' }

export type Effect =
  | SendEffect
  | AppendEffect
  | {
      readonly type: 'reply'
      readonly replyTo: ReplyTo
      readonly transaction: TransactionView
      readonly replayed: boolean
    }
  /** The branch is known: its application may prepare it. */
  | { readonly type: 'enlisted'; readonly replyTo: ReplyTo }
  | { readonly type: 'leased'; readonly session: SessionNumber; readonly lease: XidLease }
  /** The session is over: its client is told, and heard no more. */
  | { readonly type: 'end_session'; readonly session: SessionNumber; readonly reason: string }
  | { readonly type: 'refuse'; readonly replyTo: ReplyTo; readonly error: PledgedError }
  /** What an operator asked for is done; or, for a dry run, what it would mean. */
  | { readonly type: 'carried_out'; readonly replyTo: ReplyTo; readonly consequences: readonly string[] }
  /** The answer to a look: what the participant holds prepared, or why it couldn't be asked. */
  | { readonly type: 'looked'; readonly participant: string; readonly held: readonly HeldBranch[] }
  | { readonly type: 'look_failed'; readonly participant: string; readonly reason: string }
  | { readonly type: 'find_request'; readonly asked: NamedEvent }
  | { readonly type: 'find_transaction'; readonly xid: Xid; readonly purpose: FindPurpose }
  | { readonly type: 'welcome'; readonly participant: string; readonly link: number }
  | {
      readonly type: 'dismiss'
      readonly participant: string
      readonly link: number
      readonly reason: string
    }
  | { readonly type: 'recovery'; readonly participant: string; readonly signal: RecoverySignal }
  /** The log may drop what is at or below (R9 holds). */
  | { readonly type: 'forget'; readonly through: { epochNumber: number; sequence: number } }
