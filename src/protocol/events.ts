/** Events: everything that the core can be told. Time is one of them: each step is given the clock's readings. */
import type { PledgedError } from '../base/errors.ts'
import type { Xid } from '../base/ids.ts'
import type { AppendToken } from './effects.ts'
import type { HeldBranch, ParticipantIdentity, ParticipantMessage } from './messages.ts'
import type { OperatorEvent } from './operators/index.ts'
import type { KeptTransaction } from './records.ts'
import type {
  AbortRequest,
  ApplicationEnding,
  BeginRequest,
  CommitRequest,
  EnlistRequest,
  ExecuteRequest,
  GetRequest,
  SessionNumber,
} from './requests.ts'

export interface Now {
  readonly monotonicMs: number
  readonly wallMs: number
}

/** Names a caller that waits; the shell maps it to whatever carries the answer. */
export type ReplyTo = number

/** A digest of branches, participants and work in their order, and of the prepared ones' names; drawn by the shell, because the core can't hash. */
interface Digested {
  readonly digest: string
}

export type ExecuteEvent = {
  readonly type: 'execute'
  readonly replyTo: ReplyTo
  readonly request: ExecuteRequest & Digested
}
export type CommitEvent = {
  readonly type: 'commit'
  readonly replyTo: ReplyTo
  readonly request: CommitRequest & Digested
}

export type GetEvent = {
  readonly type: 'get'
  readonly replyTo: ReplyTo
  readonly request: GetRequest
}

/** Requests that carry a name, which the log may have to be asked for. */
export type NamedEvent = ExecuteEvent | CommitEvent | GetEvent

export type Event =
  | ExecuteEvent
  | CommitEvent
  | GetEvent
  /** Once, after the log was replayed and before anybody is served. */
  | { readonly type: 'replayed' }
  | { readonly type: 'begin'; readonly replyTo: ReplyTo; readonly request: BeginRequest }
  | { readonly type: 'abort'; readonly replyTo: ReplyTo; readonly request: AbortRequest }
  /** A session has the caller's identity; `clientId` tells whether it takes the place of an older one. */
  | {
      readonly type: 'session_opened'
      readonly session: SessionNumber
      readonly caller: string
      readonly clientId: string
      readonly leaseSize: number
    }
  | { readonly type: 'session_closed'; readonly session: SessionNumber; readonly reason: string }
  | { readonly type: 'lease'; readonly session: SessionNumber; readonly count: number }
  | { readonly type: 'enlist'; readonly replyTo: ReplyTo; readonly request: EnlistRequest }
  /** What the application has ended by itself. */
  | {
      readonly type: 'ended_by_application'
      readonly session: SessionNumber
      readonly ending: ApplicationEnding
    }
  | OperatorEvent
  /** The answers to find_request and find_transaction. */
  | {
      readonly type: 'request_found'
      readonly asked: NamedEvent
      readonly kept: readonly KeptTransaction[]
    }
  | {
      readonly type: 'transaction_found'
      readonly xid: Xid
      readonly purpose: FindPurpose
      readonly kept: KeptTransaction | undefined
    }
  /** The log's answer to an append; they come in the order of the appends. */
  | { readonly type: 'appended'; readonly token: AppendToken }
  | { readonly type: 'append_failed'; readonly token: AppendToken; readonly failure: PledgedError }
  /** A participant introduced itself. `link` is a number of its own for each link. */
  | { readonly type: 'link_opened'; readonly identity: ParticipantIdentity; readonly link: number }
  | {
      readonly type: 'link_closed'
      readonly participant: string
      readonly link: number
      readonly reason: string
    }
  | {
      readonly type: 'message'
      readonly participant: string
      readonly link: number
      readonly message: ParticipantMessage
    }
  /** Recovery: ask the participant what it holds prepared. */
  | { readonly type: 'scan'; readonly participant: string }
  /** An operator asks the same; a scan that is under way will do. */
  | { readonly type: 'look'; readonly participant: string }
  /** Recovery: send every decision that the participant has not acknowledged. */
  | { readonly type: 'deliver'; readonly participant: string }
  /** Retention: everything at or below has ended long enough ago (R9 decides when it may be forgotten). */
  | { readonly type: 'expired'; readonly through: { epochNumber: number; sequence: number } }
  | { readonly type: 'drain' }
  /** The drain's time is over: what is undecided aborts. */
  | { readonly type: 'drain_expired' }
  | { readonly type: 'tick' }

/** Why a transaction was looked up: for whoever asked, or to classify a branch that a participant holds. */
export type FindPurpose =
  | {
      readonly for: 'answer'
      readonly replyTo: ReplyTo
      readonly replayed: boolean
      /** Who may be told: its owner; undefined, anyone. */
      readonly owner: string | undefined
    }
  /** A broken pledge was acknowledged: the witnesses may go. */
  | { readonly for: 'sweep' }
  | ({ readonly for: 'held'; readonly participant: string } & Pick<
      HeldBranch,
      'prepareTimeMs' | 'logSeenTimeMs'
    >)
