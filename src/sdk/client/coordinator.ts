/** The coordinator as an application sees it. */
import type { TransactionView, WaitFor } from '../../protocol/requests.ts'
import type { Committed, Executed } from './outcome.ts'
import type { BranchOpening } from './transaction/branch.ts'
import type { Branch, Branches } from './work.ts'

export interface GetOptions {
  /** For everything that the call does, asking again included. Default: the client's. */
  readonly timeoutMs?: number | undefined
  /** Ends the waiting, not the transaction: what was sent may still commit. */
  readonly signal?: AbortSignal | undefined
}

export interface ExecuteOptions extends GetOptions {
  /** The request's name, 1 to 128 printable characters; drawn where none is given. Repeating it is safe. */
  readonly requestId?: string | undefined
  /** Under that name, from 1. An attempt that aborted stays aborted: the deliberate retry is the next. */
  readonly attempt?: number | undefined
  /** When the request was first sent, where it is asked again later: a daemon that forgot it must not run it. */
  readonly firstSentTime?: Date | undefined
  /** How long the votes may take. Default: the daemon's. */
  readonly prepareTimeoutMs?: number | undefined
  /** `completion` waits, while there is time, until every branch has acknowledged. Default: `decision`. */
  readonly waitFor?: WaitFor | undefined
  /** How often an abort for a reason that may be gone is tried again, as the next attempt. Default: 0. */
  readonly retries?: number | undefined
}

export interface TransactionOptions extends GetOptions {
  /**
   * Names the transaction, as in ExecuteOptions. One that has committed under that name before is not run again: the
   * callback isn't called, or what it did is rolled back.
   */
  readonly requestId?: string | undefined
  readonly attempt?: number | undefined
  readonly firstSentTime?: Date | undefined
  /** How long the votes of branches that the daemon prepares may take. Default: the daemon's. */
  readonly prepareTimeoutMs?: number | undefined
  /**
   * How often an abort for a reason that may be gone is tried again, callback and all, under a new xid: a serialization
   * failure, a deadlock, a key that another transaction has pledged, a session that was lost. Default: 0.
   */
  readonly retries?: number | undefined
}

/** A transaction that is under way on the application's own connections. */
export interface Transaction {
  readonly xid: string
  /** Fires when it can no longer commit, or its time is up: what is under way may be given up. */
  readonly signal: AbortSignal
  /** Work for a participant, which the daemon prepares when the callback has ended, with everything else. */
  add(branch: Branch): void
  /**
   * Opens a branch on a connection of the application's (`postgresBranch`, `mysqlBranch`), or goes on with the one that this
   * transaction has open there, and runs `work` in it. Where that throws, the transaction can only abort.
   */
  branch<Handle, T>(opening: BranchOpening<Handle>, work: (handle: Handle) => Promise<T>): Promise<T>
}

/** One that is ended by hand. Disposed of without a commit, it aborts. */
export interface OpenTransaction extends Transaction, AsyncDisposable {
  /** Prepares every branch, commits, and ends them. Throws as `transaction` does. */
  commit(): Promise<Committed>
  /** Rolls every branch back. Harmless when it has ended. */
  abort(): Promise<void>
}

/** A committed transaction and what its callback returned; where it had been committed before, that isn't known. */
export type Transacted<T> =
  | (Committed & { readonly replayed: false; readonly value: T })
  | (Committed & { readonly replayed: true; readonly value: undefined })

export type TransactionKey = { readonly xid: string } | { readonly requestId: string }

export interface Coordinator extends AsyncDisposable {
  readonly address: string
  /**
   * Runs a transaction: every branch prepares its work, and all commit if all voted yes. Returns how it ended.
   *
   * A lost answer is asked for again, within the time given. Throws PledgedError where the request was refused
   * and nothing ran, UNAVAILABLE where the daemon was never reached, and OutcomeUnknownError where it may have
   * run and its outcome could not be learned.
   */
  execute(branches: Branches, options?: ExecuteOptions): Promise<Executed>
  /** What became of a transaction, without running anything. Of a request: the attempt that committed, or the latest. */
  get(key: TransactionKey, options?: GetOptions): Promise<TransactionView>
  /**
   * Runs `work`, whose branches are on the application's own connections, and commits what it did: all of it, or nothing.
   * Returns once it has committed there.
   *
   * Throws what `work` throws, once everything is rolled back; TransactionAbortedError where it aborted; and
   * OutcomeUnknownError where it may have committed and that couldn't be learned: nothing is rolled back then, and the
   * daemon ends what is left.
   */
  transaction<T>(
    work: (transaction: Transaction) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<Transacted<T>>
  /** The same without a callback: `await using tx = await coordinator.begin()`, and at its end `await tx.commit()`. */
  begin(options?: TransactionOptions): Promise<OpenTransaction>
  /** Calls under way end as if their signals fired. */
  close(): Promise<void>
}
