/**
 * The port between a transaction and one resource's connection in it: what `pledged/postgres` and `pledged/mysql` implement,
 * and anyone's own resource may. The transaction calls one method at a time, in the order of an ordinary life: `prepare`, then
 * `commit` or `rollBack`; `rollBack` also before, or after a `prepare` that failed; `leave` in the place of either where the
 * outcome isn't known. After the last of them the connection is the application's again, or closed.
 */
import type { Xid } from '../../../base/ids.ts'

export interface BranchContext {
  readonly xid: Xid
  readonly participant: string
  /** What is left of the transaction's time when the branch is opened. */
  readonly timeoutMs: number
  /** Fires when the transaction can no longer commit, or nobody waits for it. */
  readonly signal: AbortSignal
}

export interface OpenBranch<Handle> {
  /** The durable id of the resource, as its participant describes it (R10). */
  readonly resourceId: string
  /** The connection, in the resource's own words. */
  readonly connectionId: string
  /** What the application works with. Refuses, with a sentence, everything once the branch has ended. */
  readonly handle: Handle
  /**
   * Makes what was done durable and undoable, its witness with it (R4). `read_only`: it had changed nothing, and has been
   * ended. Rejects where it isn't prepared, or nobody knows: an error with `retryable` true may be gone at the next try.
   */
  prepare(): Promise<'prepared' | 'read_only'>
  /** Of what is prepared. True: it has committed, for sure. False: nobody knows; the daemon finds out. Doesn't reject. */
  commit(): Promise<boolean>
  /** Of what is prepared or isn't. True: it has been rolled back, for sure. Doesn't reject. */
  rollBack(): Promise<boolean>
  /** It stays as it is, for the daemon to end: the connection must not stand in the way of that. */
  leave(): void
  /** Of an error that the application's work threw: the same work may succeed in another transaction. Without it: none. */
  isRetryable?(error: unknown): boolean
}

/** How to open a branch, and how to tell that it is open already. */
export interface BranchOpening<Handle> {
  /** The registered name of the participant whose resource it is. */
  readonly participant: string
  /** Where its connection comes from. Within one transaction, one participant has one source. */
  readonly source: unknown
  /** Takes a connection and begins. Rejects where it can't, and leaves nothing behind then. */
  open(context: BranchContext): Promise<OpenBranch<Handle>>
}
