/**
 * The port between the shared participant over a database server and one kind of server. A store knows connections
 * and SQL; the order in which its answers may be believed (R3) is the participant's, in ./server-participant.ts.
 *
 * Every method may throw DatabaseFailure, which says whether the database did what was asked. Each one leaves no
 * connection behind in an unclear state: one that broke in the middle is destroyed, never given back to the pool.
 */
import type { CoordinatorIdentity, HeldPage, Verb, Vote, Xid } from '../../../src/sdk/participant/index.ts'
import type { Statement } from '../statement-work.ts'

export type WitnessOutcome = 'committed' | 'aborted'

export interface PledgeRequest {
  readonly xid: Xid
  readonly statements: readonly Statement[]
  /** What is left of the time in which the vote is waited for; the database's lock timeouts are set below it. */
  readonly timeoutMs: number
  /** R17: commit at once, the witness in the same transaction, and vote `committed`. */
  readonly onePhase: boolean
  /** Aborted: nobody waits for the vote. The statement that runs is cancelled at the server. */
  readonly signal: AbortSignal
}

export interface BranchStore {
  /**
   * Connects, checks everything that the server must be set to (R16) and that the user may do, and makes the tables.
   * Called before each attach. Throws PledgedError CONFIGURATION with the sentence that mends what is wrong.
   * Resolves with the durable id of the resource (R10).
   */
  open(): Promise<{ readonly resourceId: string }>
  /**
   * How many branches this participant may have prepared or preparing at once, all told: below what the server allows,
   * less what others hold. `own` of those that the server holds are this participant's, which counts them itself.
   * Asked at each attach and each scan. Without it: the limit `branchesMax`.
   */
  branchesMax?(own: number): Promise<number>
  /**
   * R11: says which epoch was kept for the log (undefined: none). Unless that one `contradicts` this one
   * (./server-participant.ts), this one is kept from now on, and the log was last seen now; in one transaction.
   */
  raiseEpoch(coordinator: CoordinatorIdentity): Promise<string | undefined>
  /**
   * Does the work, writes the witness in the same transaction, checks that the witness belongs to it (R14), and
   * prepares. What the database refuses is a no vote with the reason; whatever is unclear is a no vote, too, and the
   * connection is destroyed: a pledge that was made unseen is found by the scan. It may as well throw
   * DatabaseFailure: the participant makes a no vote of it, or, where a one-phase commit may have happened, an outcome
   * that is unknown.
   */
  pledge(request: PledgeRequest): Promise<Vote>
  /** The verb: 'ended' where the database says that it did it, 'not_prepared' where it says that there is no such. */
  end(verb: Verb, xid: Xid): Promise<'ended' | 'not_prepared'>
  /** By exact name, in the database's own list of prepared branches. */
  isPrepared(xid: Xid): Promise<boolean>
  /** In a fresh READ COMMITTED transaction, on a verified primary. */
  witness(xid: Xid): Promise<WitnessOutcome | undefined>
  /** R4: bars a prepare that comes late. Waits for a live writer of the same witness, for the lock timeout at most. */
  insertAborted(xid: Xid): Promise<'inserted' | 'exists'>
  /** R5: by exact xid, and never one that is prepared. */
  removeWitnesses(xids: readonly Xid[]): Promise<void>
  /** Prepared branches of this participant's name, of every log, ordered by xid, from after `pageToken` (an xid). */
  list(pageSize: number, pageToken: string): Promise<HeldPage>
  close(): Promise<void>
}
