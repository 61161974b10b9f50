/**
 * The participant over a database server, the same for each kind of them: it keeps the order in which the database's
 * answers may be believed, and decides how many branches there may be at once. What it remembers in memory only
 * bounds and hastens; what is true is asked of the database each time.
 */
import { createHash } from 'node:crypto'
import {
  type BranchEnding,
  type CoordinatorIdentity,
  type Epoch,
  type Evidence,
  epochNumber,
  type HeldBranch,
  type HeldPage,
  isEpoch,
  messageOf,
  type Participant,
  type ParticipantDescription,
  PledgedError,
  type PrepareRequest,
  supersededError,
  tryParseXid,
  type Vote,
  vote,
  type Xid,
} from '../../../src/sdk/participant/index.ts'
import { pageTokenAfter, xidBeforePage } from '../page-token.ts'
import { MalformedWork } from '../refusal.ts'
import type { StatementWork } from '../statement-work.ts'
import type { BranchStore } from './branch-store.ts'
import { DatabaseFailure } from './database-failure.ts'
import { abortBranch, commitBranch, evidenceOf } from './endings.ts'
import { HeldBranches } from './held-branches.ts'
import type { ServerLimits } from './limits.ts'
import { leftMs } from './places.ts'
import { WitnessSweep } from './witness-sweep.ts'

export interface CreateServerParticipantOptions {
  readonly kind: string
  readonly store: BranchStore
  /** Throws MalformedWork. */
  readonly decode: (work: Uint8Array) => StatementWork
  readonly limits: ServerLimits
}

export function createServerParticipant(options: CreateServerParticipantOptions): Participant {
  return new ServerParticipant(options)
}

class ServerParticipant implements Participant {
  readonly #kind: string
  readonly #store: BranchStore
  readonly #decode: (work: Uint8Array) => StatementWork
  readonly #limits: ServerLimits
  readonly #held: HeldBranches
  readonly #sweep: WitnessSweep
  #state: 'undescribed' | 'open' | 'closed' = 'undescribed'
  #coordinator: CoordinatorIdentity | undefined

  constructor({ kind, store, decode, limits }: CreateServerParticipantOptions) {
    this.#kind = kind
    this.#store = store
    this.#decode = decode
    this.#limits = limits
    this.#held = new HeldBranches(limits.branchesMax)
    this.#sweep = new WitnessSweep({
      remove: (xids) => store.removeWitnesses(xids),
      delayMs: limits.forgetDelayMs,
      batchMax: limits.forgetBatchMax,
    })
  }

  async describe(): Promise<ParticipantDescription> {
    const { resourceId } = await this.#store.open()
    await this.#measure()
    if (this.#state !== 'closed') this.#state = 'open'
    return { kind: this.#kind, resourceId, keepsWitnesses: true, onePhase: true }
  }

  /** R11. */
  async admit(coordinator: CoordinatorIdentity): Promise<void> {
    const known = await this.#store.raiseEpoch(coordinator)
    if (known !== undefined && contradicts(coordinator.epoch, known))
      throw supersededError(coordinator, known)
    this.#coordinator = coordinator
  }

  async prepare(request: PrepareRequest): Promise<Vote> {
    const deadlineMs = performance.now() + request.timeoutMs
    let work: StatementWork
    try {
      work = this.#decode(request.work)
    } catch (error) {
      if (error instanceof MalformedWork) return vote.no(`malformed work: ${error.message}`)
      throw error
    }
    if (this.#state === 'closed') return vote.no('the participant is closing', { retryable: true })
    if (this.#state === 'undescribed') {
      return vote.no('the participant has not yet been able to check its database', { retryable: true })
    }
    const { xid, signal } = request
    const workDigest = digestOf(request.work)
    switch (await this.#held.enter({ xid, workDigest, deadlineMs, signal })) {
      case 'repeated':
        return vote.yes()
      case 'taken':
        return vote.no('this transaction is prepared here already, with other work')
      case 'full':
        return vote.no('as many branches are prepared here as the database holds', { retryable: true })
      case 'entered':
        return this.#pledge(request, { work, workDigest, deadlineMs })
    }
  }

  async commit(xid: Xid): Promise<BranchEnding> {
    return this.#ended(xid, await commitBranch(this.#store, xid))
  }

  async abort(xid: Xid): Promise<BranchEnding> {
    return this.#ended(xid, await abortBranch(this.#store, xid))
  }

  async listPrepared(pageSize: number, pageToken: string): Promise<HeldPage> {
    if (pageToken === '') await this.#beginScan()
    const limit = Math.min(Math.max(1, Math.trunc(pageSize)), this.#limits.pageSizeMax)
    const page = await this.#store.list(limit, xidBeforePage(pageToken))
    this.#held.scanned(page.branches.map((branch) => branch.xid))
    if (page.nextPageToken === '') this.#held.scanEnds()
    const branches = page.branches.map((branch) => this.#shown(branch))
    return { branches, nextPageToken: pageTokenAfter(page.nextPageToken) }
  }

  evidence(xid: Xid): Promise<Evidence> {
    return evidenceOf(this.#store, xid)
  }

  forget(xid: Xid): Promise<void> {
    return this.#sweep.forget(xid)
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    await this.#sweep.flush()
    await this.#store.close()
  }

  async #pledge(
    { xid, onePhase, signal }: PrepareRequest,
    context: { readonly work: StatementWork; readonly workDigest: string; readonly deadlineMs: number },
  ): Promise<Vote> {
    let voted: Vote | undefined
    try {
      voted = await this.#store.pledge({
        xid,
        statements: context.work.statements,
        timeoutMs: Math.max(1, leftMs(context.deadlineMs)),
        onePhase,
        signal,
      })
    } catch (error) {
      voted = noVoteOf(error, onePhase)
    } finally {
      if (voted?.vote === 'yes') this.#held.kept(xid, context.workDigest)
      else this.#held.left(xid)
    }
    return voted
  }

  #ended(xid: Xid, ending: BranchEnding): BranchEnding {
    if (ending.result !== 'unknown') this.#held.ended(xid)
    return ending
  }

  /** At a scan the log is seen to live, and the database's free room is measured anew. */
  async #beginScan(): Promise<void> {
    if (this.#coordinator !== undefined) await this.admit(this.#coordinator)
    await this.#measure()
    this.#held.scanBegins()
  }

  async #measure(): Promise<void> {
    if (this.#store.branchesMax === undefined) return
    this.#held.setMax(await this.#store.branchesMax(this.#held.count))
  }

  /** Whether its log lives is of interest only of another log's branch. */
  #shown(branch: HeldBranch): HeldBranch {
    const logId = tryParseXid(branch.xid)?.logId
    return logId === this.#coordinator?.logId ? { ...branch, logSeenTimeMs: undefined } : branch
  }
}

/** Whether the epoch `known` is newer than this one, or another of the same number. */
export function contradicts(epoch: Epoch, known: string): boolean {
  if (!isEpoch(known)) return true
  return (
    epochNumber(known) > epochNumber(epoch) || (epochNumber(known) === epochNumber(epoch) && known !== epoch)
  )
}

/** Throws where a one-phase commit may have happened: that is no vote, but an outcome that must be asked for (R17). */
function noVoteOf(error: unknown, onePhase: boolean): Vote {
  if (!(error instanceof DatabaseFailure)) throw error
  if (onePhase && error.effect !== 'not_done') {
    throw new PledgedError('OUTCOME_UNKNOWN', messageOf(error), { cause: error })
  }
  return vote.no(messageOf(error), { retryable: error.retryable })
}

function digestOf(work: Uint8Array): string {
  return createHash('sha256').update(work).digest('base64url')
}
