/**
 * The participant port: four verbs and a vote. Whoever implements it makes one resource (a database, a file, a
 * queue) able to take part in transactions. The host calls it, from a stream or from within the daemon.
 *
 * The contract, which `pledged conformance` will test:
 * - A yes vote is durable before `prepare` resolves: it survives kill -9 and loss of power (I4).
 * - `prepare` that throws counts as a no vote, `commit` and `abort` that throw as the result unknown.
 * - Every verb may be called again, and late. An abort that finds nothing prepared makes sure that a prepare
 *   of the same xid that comes later votes no (R4).
 * - "Not there" is never success: see BranchResult and R3.
 * - Calls for different xids may overlap; those for one xid come in the order they were sent.
 */
import type { Xid } from '../../base/ids.ts'
import type { BranchResult, Evidence, HeldBranch, Vote } from '../../protocol/messages.ts'

export interface PrepareRequest {
  readonly xid: Xid
  readonly work: Uint8Array
  /** After that the coordinator no longer waits for the vote. */
  readonly timeoutMs: number
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
} as const
