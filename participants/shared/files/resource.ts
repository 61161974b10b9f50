/** The port between the shared participant and a resource: what a branch does, here, in one open database. */
import type { Vote } from '../../../src/sdk/participant/index.ts'
import type { Database } from './database.ts'
import type { HeldPledge, Pledge } from './pledge-tables.ts'

/** A vote, or the xid that holds what this branch needs (R13). */
export type Attempt = Vote | { readonly blockedBy: string }

export interface PrepareContext<Work> {
  readonly xid: string
  readonly work: Work
  /** The same, as it was given. */
  readonly workBytes: Uint8Array
  /** What the tables say of this xid already; to be asked inside the transaction that records the pledge. */
  standing(): Vote | undefined
  /** Writes the in-doubt row. */
  record(pledge: Pledge): void
}

export interface ResourceKind<Work> {
  readonly kind: string
  /** What a branch in doubt costs others, in words. */
  readonly costOfDoubt: string
  /** alone: prepare runs transactions of its own. shared: it runs within the batch's, and throws to undo its part. */
  readonly prepareMode: 'shared' | 'alone'
  /** Throws MalformedWork. */
  decode(work: Uint8Array): Work
  /** Opens the database, made durable. Throws PledgedError with the sentence that mends what is wrong. */
  open(): OpenedFile<Work>
}

export interface OpenedFile<Work> {
  readonly database: Database
  /** Makes the resource's own tables; the pledge tables exist by then. */
  readonly attach: () => Resource<Work>
}

/** One open database. A connection that failed is replaced by another resource. */
export interface Resource<Work> {
  prepare(context: PrepareContext<Work>): Attempt
  /** Inside a transaction, with the in-doubt row removed. Throws BrokenPledge where it can't be done. */
  apply(held: HeldPledge): void
  /** Inside the same transaction: lets go of what the pledge held, after apply or instead of it. */
  release(xid: string): void
}

/** The database is no longer what the pledge was made on. The branch stays prepared, for a person to mend. */
export class BrokenPledge extends Error {
  override readonly name = 'BrokenPledge'
}
