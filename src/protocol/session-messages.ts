/**
 * What an application's session and the coordinator say to each other, whatever carries it. Each call with a `callId` is
 * answered once, in any order, by a reply that names it. What concerns one xid is handled in the order in which it was sent.
 */
import type { PledgedError } from '../base/errors.ts'
import type { Epoch, LogId } from '../base/ids.ts'
import type {
  ApplicationEnding,
  CommitRequest,
  ExecuteRequest,
  GetRequest,
  PreparedBranch,
  TransactionView,
  XidLease,
} from './requests.ts'

/** How a session introduces itself. */
export interface SessionGreeting {
  readonly clientId: string
  /** 0: the coordinator's choice. */
  readonly leaseSize: number
}

/** What it learns when it is admitted. */
export interface SessionAdmission {
  readonly logId: LogId
  readonly epoch: Epoch
  readonly workBytesMax: number
  /** Of one message. 0: not said. */
  readonly batchBytesMax: number
  /** Of a message with a single call. 0: not said. */
  readonly messageBytesMax: number
  /** Calls that may be unanswered at once. */
  readonly callsMax: number
  readonly lease: XidLease
}

/** The `caller` of a request isn't sent: it is the identity that the session was opened with. */
export type SessionCall =
  | {
      readonly type: 'enlist'
      readonly callId: number
      readonly xid: string
      readonly branch: PreparedBranch
    }
  | { readonly type: 'execute'; readonly callId: number; readonly request: ExecuteRequest }
  | { readonly type: 'commit'; readonly callId: number; readonly request: CommitRequest }
  | { readonly type: 'abort'; readonly callId: number; readonly xid: string }
  | { readonly type: 'get'; readonly callId: number; readonly request: GetRequest }
  | { readonly type: 'lease'; readonly count: number }
  | { readonly type: 'acknowledgement'; readonly ending: ApplicationEnding }

export type SessionReply =
  | { readonly type: 'enlisted'; readonly callId: number }
  | { readonly type: 'answer'; readonly callId: number; readonly answer: SessionAnswer }
  | { readonly type: 'refusal'; readonly callId: number; readonly error: PledgedError }
  | { readonly type: 'lease'; readonly lease: XidLease }

/** An Answer, without what most callers don't look at. */
export interface SessionAnswer
  extends Pick<
    TransactionView,
    'xid' | 'state' | 'outcome' | 'abortCause' | 'abortMessage' | 'retryable' | 'heuristic'
  > {
  readonly replayed: boolean
  /** All of it: in the answer to a get, to a call that waited for completion, and where it was replayed or is heuristic. */
  readonly transaction?: TransactionView | undefined
}
