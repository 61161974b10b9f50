/**
 * The port between the client's calls and its session with the coordinator. Whoever implements it reconnects by itself, and
 * keeps what it may hold bounded. No method rejects, or throws: an end is a `Try`.
 *
 * `lost` means that no answer came; `sent` that the request may have arrived. Asking again is the caller's, under the same
 * request id; it goes to whichever session is open by then.
 */
import type { Xid } from '../../../base/ids.ts'
import type {
  ApplicationEnding,
  CommitRequest,
  ExecuteRequest,
  GetRequest,
  PreparedBranch,
  TransactionView,
} from '../../../protocol/requests.ts'
import type { SessionAnswer } from '../../../protocol/session-messages.ts'
import type { Scope } from '../scope.ts'
import type { Try } from '../try.ts'

export interface Sessions {
  execute(request: ExecuteRequest, scope: Scope): Promise<Try<SessionAnswer>>
  /** Of a transaction that was begun by whichever session: one that has ended since has aborted it, or it was asked before. */
  commit(request: CommitRequest, scope: Scope): Promise<Try<SessionAnswer>>
  abort(xid: string, scope: Scope): Promise<Try<SessionAnswer>>
  get(request: GetRequest, scope: Scope): Promise<Try<TransactionView>>
  /** A leased xid: no round trip where one is at hand; else it waits for a session, and for a lease. */
  begin(scope: Scope): Promise<Try<BegunTransaction>>
  close(): void
}

/** A transaction that only the session that leased its xid can commit for the first time. */
export interface BegunTransaction {
  readonly xid: Xid
  /**
   * Aborted when that session has ended: what it was not asked to commit has aborted, or will. One for all transactions of the
   * session, so that who listens has to take its listener back.
   */
  readonly lost: AbortSignal
  /** By that very session, or `lost`. Once it is answered the branch may be prepared. */
  enlist(branch: PreparedBranch, scope: Scope): Promise<Try<void>>
  /** By that very session, lazily, or not at all: the coordinator finishes what it doesn't hear of. */
  acknowledge(ending: ApplicationEnding): void
}
