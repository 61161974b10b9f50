/**
 * The participant over a resource. Everything durable is read inside the transaction that acts on it; nothing
 * about a branch is kept in memory but who waits for whom. Hence a kill between any two lines leaves either all
 * of an operation or none, and the answer, if it was given, is true.
 */
import { createHash } from 'node:crypto'
import {
  type BranchEnding,
  type CoordinatorIdentity,
  type Evidence,
  type HeldPage,
  type LogId,
  messageOf,
  type Participant,
  type ParticipantDescription,
  PledgedError,
  type PrepareRequest,
  present,
  supersededError,
  type Vote,
  vote,
  type Xid,
} from '../../../src/sdk/participant/index.ts'
import { pageTokenAfter, xidBeforePage } from '../page-token.ts'
import { MalformedWork, Refusal } from '../refusal.ts'
import type { Database } from './database.ts'
import { BranchEndings } from './endings.ts'
import type { ParticipantLimits } from './limits.ts'
import { verifyDurable } from './opening.ts'
import { type Operation, OperationQueue } from './operation-queue.ts'
import { PledgeTables } from './pledge-tables.ts'
import { type Attempt, BrokenPledge, type Resource, type ResourceKind } from './resource.ts'
import { classify, explain } from './sqlite-errors.ts'
import { mayWait, type Waiter, WaitingRoom } from './wait-die.ts'

export interface PledgeParticipantOptions<Work> {
  readonly resourceKind: ResourceKind<Work>
  readonly limits: ParticipantLimits
  /** Milliseconds since 1970. */
  readonly nowMs?: (() => number) | undefined
}

interface Opened<Work> {
  readonly database: Database
  readonly tables: PledgeTables
  readonly resource: Resource<Work>
}

/** A prepare that is under way, and may wait for a lock. */
interface PrepareOperation extends Operation, Waiter {
  /** Ends it with a no, without running it. */
  refuse(message: string): void
}

const PAGE_SIZE_MAX = 10_000

export function createPledgeParticipant<Work>(options: PledgeParticipantOptions<Work>): Participant {
  return new PledgeParticipant(options)
}

class PledgeParticipant<Work> implements Participant {
  readonly #kind: ResourceKind<Work>
  readonly #nowMs: () => number
  readonly #queue: OperationQueue
  readonly #waiting = new WaitingRoom<PrepareOperation>()
  readonly #endings: BranchEndings
  #opened: Opened<Work> | undefined
  /** Of the coordinator that was admitted last. */
  #logId: LogId | undefined
  #closed = false

  constructor(options: PledgeParticipantOptions<Work>) {
    this.#kind = options.resourceKind
    this.#nowMs = options.nowMs ?? Date.now
    this.#queue = new OperationQueue({
      database: () => this.#open().database,
      noticed: (error) => this.#distrust(error),
      limits: options.limits,
    })
    this.#endings = new BranchEndings({
      opened: () => this.#open(),
      ended: (xid) => this.#queue.putFirst(this.#waiting.release(xid)),
    })
  }

  describe(): Promise<ParticipantDescription> {
    return this.#read(() => {
      const { database, tables } = this.#open()
      verifyDurable(database)
      return { kind: this.#kind.kind, resourceId: tables.resourceId, keepsWitnesses: true }
    })
  }

  /** R11. The row is forced before anything is done for the coordinator: an older copy of its log is barred for good. */
  async admit(coordinator: CoordinatorIdentity): Promise<void> {
    const known = await this.#ask('shared', () => this.#open().tables.raiseEpoch(coordinator))
    if (known !== undefined) throw supersededError(coordinator, known)
    this.#logId = coordinator.logId
  }

  /**
   * R17's one phase isn't used: one forced write of this file is shared by all that ask in one turn, and a commit of
   * its own would take as many.
   */
  async prepare(request: PrepareRequest): Promise<Vote> {
    let work: Work
    try {
      work = this.#kind.decode(request.work)
    } catch (error) {
      if (error instanceof MalformedWork) return vote.no(`malformed work: ${error.message}`)
      throw error
    }
    if (this.#closed) return vote.no('the participant is closing', { retryable: true })
    return new Promise((resolve) => {
      this.#queue.add(this.#prepareOperation(request, work, resolve))
    })
  }

  async commit(xid: Xid): Promise<BranchEnding> {
    return this.#end(xid, () => this.#endings.commit(xid))
  }

  async abort(xid: Xid): Promise<BranchEnding> {
    for (const waiter of this.#waiting.take(xid)) waiter.refuse('the transaction was aborted while it waited')
    return this.#end(xid, () => this.#endings.abort(xid))
  }

  listPrepared(pageSize: number, pageToken: string): Promise<HeldPage> {
    const limit = Math.min(Math.max(1, Math.trunc(pageSize)), PAGE_SIZE_MAX)
    if (pageToken === '') this.#touchLog()
    return this.#read(() => {
      const found = this.#open().tables.list(limit + 1, xidBeforePage(pageToken), this.#logId ?? '')
      const cost = this.#kind.costOfDoubt
      const branches = found.slice(0, limit).map((branch) => ({ ...branch, cost }))
      const last = found.length > limit ? branches.at(-1)?.xid : undefined
      return { branches, nextPageToken: pageTokenAfter(last ?? '') }
    })
  }

  evidence(xid: Xid): Promise<Evidence> {
    return this.#read<Evidence>(() => {
      const outcome = this.#open().tables.witness(xid)
      return outcome === undefined ? 'no_witness' : `witness_${outcome}`
    })
  }

  forget(xid: Xid): Promise<void> {
    return this.#ask('shared', () => this.#open().tables.removeWitness(xid), { lazy: true })
  }

  /** Every scan shows the others that this log lives. Should the write fail, the next scan tries again. */
  #touchLog(): void {
    const logId = this.#logId
    if (logId === undefined) return
    this.#ask('shared', () => this.#open().tables.touchLog(logId), { lazy: true }).catch(() => {})
  }

  async close(): Promise<void> {
    if (this.#closed) return
    for (const waiter of this.#waiting.takeAll()) waiter.refuse('the participant is closing')
    this.#queue.flush()
    this.#closed = true
    this.#closeDatabase()
  }

  #prepareOperation(request: PrepareRequest, work: Work, resolve: (vote: Vote) => void): PrepareOperation {
    const { xid, timeoutMs } = request
    const operation: PrepareOperation = {
      mode: this.#kind.prepareMode,
      xid,
      deadlineMs: performance.now() + timeoutMs,
      run: () => {
        const attempt = this.#attempt(request, work)
        if (!('blockedBy' in attempt)) return () => resolve(attempt)
        if (!mayWait(xid, attempt.blockedBy)) {
          return () =>
            resolve(vote.no(`${attempt.blockedBy} holds what this branch needs`, { retryable: true }))
        }
        // Within the batch: the holder's end may be the next operation in it.
        this.#await(attempt.blockedBy, operation, request.signal)
        return () => {}
      },
      failed: (error) => {
        this.#waiting.remove(operation)
        resolve(noVoteOf(error))
      },
      expired: (holder) =>
        operation.refuse(`waited ${timeoutMs} ms for ${holder}, which holds what this branch needs`),
      refuse: (message) => resolve(vote.no(message, { retryable: true })),
    }
    return operation
  }

  /** Who was let out and is about to run is left alone: it would pledge after its no. */
  #await(holder: string, operation: PrepareOperation, signal: AbortSignal): void {
    const give = (): void => {
      if (this.#waiting.remove(operation)) operation.refuse('nobody waits for the vote any more')
    }
    this.#waiting.add(holder, operation)
    if (signal.aborted) give()
    else signal.addEventListener('abort', give, { once: true })
  }

  #attempt({ xid, work: workBytes }: PrepareRequest, work: Work): Attempt {
    const { resource, tables } = this.#open()
    const workDigest = digestOf(workBytes)
    return resource.prepare({
      xid,
      work,
      workBytes,
      standing: () => standingVote(tables, xid, workDigest),
      record: (pledge) => tables.insert(xid, pledge, workDigest),
    })
  }

  async #end(xid: Xid, run: () => BranchEnding): Promise<BranchEnding> {
    try {
      return await this.#ask('shared', run)
    } catch (error) {
      return this.#endings.failed(xid, error)
    }
  }

  /** Reads keep their place behind what was asked before; no transaction is open, so each read is a fresh one (R3). */
  #read<T>(run: () => T): Promise<T> {
    return this.#ask('read', run)
  }

  #ask<T>(mode: Operation['mode'], run: () => T, options: { readonly lazy?: boolean } = {}): Promise<T> {
    if (this.#closed) return Promise.reject(new PledgedError('UNAVAILABLE', 'the participant is closed'))
    return new Promise((resolve, reject) => {
      const operation: Operation = {
        mode,
        run: () => {
          const result = run()
          return () => resolve(result)
        },
        failed: reject,
      }
      this.#queue.add(operation, options)
    })
  }

  #open(): Opened<Work> {
    if (this.#opened !== undefined) return this.#opened
    const { database, attach } = this.#kind.open()
    try {
      const tables = new PledgeTables(database, { resourceKind: this.#kind.kind, nowMs: this.#nowMs })
      this.#opened = { database, tables, resource: attach() }
    } catch (error) {
      database.close()
      if (error instanceof PledgedError) throw error
      throw new PledgedError(
        'CONFIGURATION',
        `the ${this.#kind.kind} database can not be used: ${explain(error)}`,
        {
          cause: error,
        },
      )
    }
    return present(this.#opened, 'the database was opened')
  }

  /** After an error of unknown effect, what is true is in the file, not in this connection: the next one reads it. */
  #distrust(error: unknown): void {
    if (error instanceof Refusal || error instanceof BrokenPledge || error instanceof PledgedError) return
    if (classify(error).effect === 'unknown') this.#closeDatabase()
  }

  #closeDatabase(): void {
    const opened = this.#opened
    this.#opened = undefined
    opened?.database.close()
  }
}

/** What was promised under this xid before, or that it has ended: a prepare that comes late votes no (R4). */
function standingVote(tables: PledgeTables, xid: string, workDigest: string): Vote | undefined {
  const held = tables.find(xid)
  if (held !== undefined) {
    return held.workDigest === workDigest
      ? vote.yes()
      : vote.no('this transaction is prepared here already, with other work')
  }
  const outcome = tables.witness(xid)
  return outcome === undefined ? undefined : vote.no(`this transaction has ended here already: ${outcome}`)
}

function noVoteOf(error: unknown): Vote {
  if (error instanceof Refusal) return vote.no(error.message, { retryable: error.retryable })
  if (error instanceof PledgedError) return vote.no(error.message, { retryable: true })
  return vote.no(`could not pledge: ${explain(error) || messageOf(error)}`, {
    retryable: classify(error).retryable,
  })
}

function digestOf(work: Uint8Array): string {
  return createHash('sha256').update(work).digest('base64url')
}
