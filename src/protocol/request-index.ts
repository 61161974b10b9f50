/**
 * Requests by the name that their clients gave them. The index holds what is in flight and the youngest of what
 * has ended; older ones are in the log, and `mustAskLog` says when a name that isn't here must be looked up there.
 */
import { ChurningMap } from '../base/churning.ts'
import type { Xid } from '../base/ids.ts'
import { NameFilter } from './name-filter.ts'

export interface Attempt {
  readonly attempt: number
  readonly xid: Xid
  outcome: 'pending' | 'committed' | 'aborted'
  /** The log has its last record. */
  recorded?: boolean | undefined
}

export interface RequestEntry {
  readonly digest: string
  readonly attempts: Attempt[]
}

interface Name {
  readonly caller: string
  readonly requestId: string
}

export class RequestIndex {
  /** With an attempt of which the log doesn't have all. */
  readonly #active = new ByName<RequestEntry>()
  /**
   * The youngest of which the log has all, in two generations: when one is full the other is given up, as a whole. Taken out one
   * by one from a table that lives long, they would cost more than all else that is done with them.
   */
  #young = new ByName<RequestEntry>()
  #old = new ByName<RequestEntry>()
  readonly #missing = new ByName<true>()
  /** Of these a replay has shown one attempt; the log may have others, which count for more. */
  readonly #partial = new ByName<true>()
  readonly #generationMax: number
  /** Since the log was opened it may have any name. */
  readonly #unknownInLog: boolean
  /** What was given up here. */
  #givenUp: NameFilter | undefined

  /** Of those that have ended so many are remembered at the least, and twice as many at the most. */
  constructor(rememberedMin: number, mayBeInLog: boolean) {
    this.#generationMax = Math.max(1, rememberedMin)
    this.#unknownInLog = mayBeInLog
  }

  /** Whether a name that isn't in the index may be in the log; asked once, the answer is spent. */
  mustAskLog(caller: string, requestId: string): boolean {
    if (this.#partial.has(caller, requestId)) return true
    if (!this.#unknownInLog && this.#givenUp?.mayHave(caller, requestId) !== true) return false
    return !this.#missing.delete(caller, requestId)
  }

  /** The log does not have it either. */
  addMissing(caller: string, requestId: string): void {
    this.#missing.set(caller, requestId, true)
  }

  get(caller: string, requestId: string): RequestEntry | undefined {
    return this.#partial.has(caller, requestId) ? undefined : this.#entry({ caller, requestId })
  }

  /** An attempt that was under way when the log was last open: whatever else there was, only the log can tell. */
  addReplayed(request: Name & { digest: string }, attempt: Attempt): void {
    this.add(request, attempt)
    if (attempt.outcome === 'pending') this.#partial.set(request.caller, request.requestId, true)
  }

  /** The log has been asked: what it has is being added. */
  complete(caller: string, requestId: string): void {
    this.#partial.delete(caller, requestId)
  }

  add(request: Name & { digest: string }, attempt: Attempt): void {
    const { caller, requestId, digest } = request
    const entry = this.#entry(request) ?? { digest, attempts: [] }
    if (!entry.attempts.some(({ xid }) => xid === attempt.xid)) insert(entry.attempts, attempt)
    this.#active.set(caller, requestId, entry)
  }

  settle(name: Name, xid: Xid, outcome: 'committed' | 'aborted'): void {
    const attempt = this.#entry(name)?.attempts.find((other) => other.xid === xid)
    if (attempt !== undefined) attempt.outcome = outcome
  }

  /**
   * The log has the last record of this attempt. The entry may be given up, once it is among the oldest, when that
   * holds for each of its attempts: the log must be able to say all that the entry said.
   */
  release({ caller, requestId }: Name, xid: Xid): void {
    const entry = this.#active.get(caller, requestId)
    const attempt = entry?.attempts.find((other) => other.xid === xid)
    if (entry === undefined || attempt === undefined) return
    attempt.recorded = true
    dropOldAttempts(entry.attempts)
    if (entry.attempts.some((other) => other.recorded !== true)) return
    this.#active.delete(caller, requestId)
    if (this.#young.size >= this.#generationMax) this.#giveUpOld()
    this.#young.set(caller, requestId, entry)
  }

  #giveUpOld(): void {
    if (!this.#unknownInLog && this.#old.size > 0) {
      this.#givenUp ??= new NameFilter()
      for (const { caller, requestId } of this.#old.names()) this.#givenUp.add(caller, requestId)
    }
    this.#old = this.#young
    this.#young = new ByName()
  }

  /** An entry that became active again is still in its generation: the active one comes first, and they are the same. */
  #entry({ caller, requestId }: Name): RequestEntry | undefined {
    return (
      this.#active.get(caller, requestId) ??
      this.#young.get(caller, requestId) ??
      this.#old.get(caller, requestId)
    )
  }
}

/** Two levels, because a name of both in one text would have to be made, and hashed, for each look. */
class ByName<Value> {
  readonly #callers = new Map<string, ChurningMap<string, Value>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(caller: string, requestId: string): Value | undefined {
    return this.#callers.get(caller)?.get(requestId)
  }

  has(caller: string, requestId: string): boolean {
    return this.#callers.get(caller)?.has(requestId) === true
  }

  set(caller: string, requestId: string, value: Value): void {
    let requests = this.#callers.get(caller)
    if (requests === undefined) {
      requests = new ChurningMap()
      this.#callers.set(caller, requests)
    }
    const before = requests.size
    requests.set(requestId, value)
    this.#size += requests.size - before
  }

  delete(caller: string, requestId: string): boolean {
    const requests = this.#callers.get(caller)
    if (requests?.delete(requestId) !== true) return false
    this.#size -= 1
    if (requests.size === 0) this.#callers.delete(caller)
    return true
  }

  *names(): Generator<Name> {
    for (const [caller, requests] of this.#callers) {
      for (const requestId of requests.keys()) yield { caller, requestId }
    }
  }
}

/** In the order of the attempts, which is that of their making, whatever the order in which they are heard of. */
function insert(attempts: Attempt[], attempt: Attempt): void {
  const place = attempts.findIndex((other) => other.attempt > attempt.attempt)
  attempts.splice(place < 0 ? attempts.length : place, 0, attempt)
}

/** A client may try again for hours. */
const ATTEMPTS_MAX = 16

/**
 * An attempt that aborted and is in the log may go while a later one is there: whoever sends it again is answered by
 * that one.
 */
function dropOldAttempts(attempts: Attempt[]): void {
  if (attempts.length <= ATTEMPTS_MAX) return
  const newest = Math.max(...attempts.map(({ attempt }) => attempt))
  const oldest = attempts.findIndex(
    ({ attempt, outcome, recorded }) => recorded === true && outcome === 'aborted' && attempt < newest,
  )
  if (oldest >= 0) attempts.splice(oldest, 1)
}
