/**
 * The participant port: four verbs and a vote. Whoever implements it makes one resource (a database, a file, a
 * queue) able to take part in transactions. The host calls it, from a stream or from within the daemon.
 *
 * The contract, which `pledged conformance` tests:
 * - A yes vote is durable before `prepare` resolves: it survives kill -9 and loss of power (I4).
 * - `prepare` that throws counts as a no vote, `commit` and `abort` that throw as the result unknown.
 * - Every verb may be called again, and late. An abort that finds nothing prepared makes sure that a prepare
 *   of the same xid that comes later votes no (R4).
 * - "Not there" is never success: see BranchResult and R3.
 * - Calls for different xids may overlap; those for one xid come in the order they were sent (but `signal`).
 */
import { PledgedError } from '../../base/errors.ts'
import type { Epoch, LogId, Xid } from '../../base/ids.ts'
import type { BranchResult, Evidence, HeldBranch, Vote } from '../../protocol/messages.ts'

export interface PrepareRequest {
  readonly xid: Xid
  readonly work: Uint8Array
  /** After that the coordinator no longer waits for the vote. */
  readonly timeoutMs: number
  /**
   * R17: this is the transaction's only branch. It may be committed at once, its witness with it, and voted
   * `committed`; any other vote is as good. Only ever true where the participant described itself so.
   */
  readonly onePhase: boolean
  /**
   * Aborted when nobody waits for the vote any more (the transaction is being aborted, the link is gone): what
   * waits for a lock may give up. The vote is then of no interest, and a yes does no harm.
   */
  readonly signal: AbortSignal
}

/** Who speaks on a link: a log, and the epoch in which it was opened. */
export interface CoordinatorIdentity {
  readonly logId: LogId
  readonly epoch: Epoch
}

export interface BranchEnding {
  readonly result: BranchResult
  /** In words, for the person who reads `tx show`; empty where nothing is to be said. */
  readonly message: string
  readonly evidence: Evidence
}

export interface ParticipantDescription {
  readonly kind: string
  /** Durable, of the resource itself: the same after a restart, another for another database. */
  readonly resourceId: string
  readonly keepsWitnesses: boolean
  /** R17: `prepare` makes use of `onePhase`. Needs witnesses. Left out: it pledges as always. */
  readonly onePhase?: boolean | undefined
}

export interface HeldPage {
  readonly branches: readonly HeldBranch[]
  /** Empty: that was the last page. */
  readonly nextPageToken: string
}

export interface Participant {
  /**
   * Opens the resource, checks that it can keep a pledge (R16) and describes it. Called before each attach;
   * throws with the sentence that mends what is wrong.
   */
  describe(): Promise<ParticipantDescription>
  /**
   * R11: called on each new link, before any verb of it. A participant that keeps, durably, the highest epoch of
   * each log throws `supersededError` where it knows a newer one, or another of the same number: the log was
   * restored from an old copy, or cloned. Whatever else it throws ends the link, which is then made anew.
   */
  admit?(coordinator: CoordinatorIdentity): Promise<void>
  prepare(request: PrepareRequest): Promise<Vote>
  commit(xid: Xid): Promise<BranchEnding>
  abort(xid: Xid): Promise<BranchEnding>
  /** What is prepared and not ended, of every log, in pages. */
  listPrepared(pageSize: number, pageToken: string): Promise<HeldPage>
  /** R4's question, where the resource keeps witnesses. */
  evidence?(xid: Xid): Promise<Evidence>
  /** R5: the transaction has ended everywhere; drop the witness of exactly this xid. */
  forget?(xid: Xid): Promise<void>
  close(): Promise<void>
}

/** The votes, by name. */
export const vote = {
  yes: (options: { readonly pledgeTtlMs?: number } = {}): Vote => ({ vote: 'yes', ...options }),
  no: (message: string, options: { readonly retryable?: boolean } = {}): Vote => ({
    vote: 'no',
    message,
    retryable: options.retryable ?? false,
  }),
  readOnly: (): Vote => ({ vote: 'read_only' }),
  /** In answer to `onePhase` alone: done, and final. */
  committed: (): Vote => ({ vote: 'committed' }),
} as const

/** R11's refusal. `known` is the epoch that this participant has seen of the log. */
export function supersededError({ logId, epoch }: CoordinatorIdentity, known: string): PledgedError {
  return new PledgedError(
    'EPOCH_SUPERSEDED',
    `log ${logId} was opened in epoch ${known} after the copy that now speaks in epoch ${epoch} was made: ` +
      'this coordinator runs on an old copy of its log, or on a clone. Stop it, and start the one with the newest log',
    { metadata: { log_id: logId, epoch, known_epoch: known } },
  )
}
