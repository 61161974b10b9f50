/** The coordinator as an application sees it. */
import type { TransactionView, WaitFor } from '../../protocol/requests.ts'
import type { Executed } from './outcome.ts'
import type { Branches } from './work.ts'

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
  /** Calls under way end as if their signals fired. */
  close(): Promise<void>
}
