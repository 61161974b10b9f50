/**
 * Requests by the name that their clients gave them. The index holds what is in flight and the youngest of what
 * has ended; older ones are in the log, and `mustAskLog` says when a name that isn't here must be looked up there.
 */
import type { Xid } from '../base/ids.ts'

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

export class RequestIndex {
  readonly #entries = new Map<string, RequestEntry>()
  readonly #released = new Set<string>()
  readonly #missing = new Set<string>()
  /** Of these a replay has shown one attempt; the log may have others, which count for more. */
  readonly #partial = new Set<string>()
  readonly #rememberedMax: number
  #mayBeInLog: boolean

  constructor(rememberedMax: number, mayBeInLog: boolean) {
    this.#rememberedMax = rememberedMax
    this.#mayBeInLog = mayBeInLog
  }

  /** Whether a name that isn't in the index may be in the log; asked once, the answer is spent. */
  mustAskLog(caller: string, requestId: string): boolean {
    if (this.#partial.has(keyOf(caller, requestId))) return true
    if (!this.#mayBeInLog) return false
    return !this.#missing.delete(keyOf(caller, requestId))
  }

  /** The log does not have it either. */
  addMissing(caller: string, requestId: string): void {
    this.#missing.add(keyOf(caller, requestId))
  }

  get(caller: string, requestId: string): RequestEntry | undefined {
    const key = keyOf(caller, requestId)
    return this.#partial.has(key) ? undefined : this.#entries.get(key)
  }

  /** An attempt that was under way when the log was last open: whatever else there was, only the log can tell. */
  addReplayed(request: { caller: string; requestId: string; digest: string }, attempt: Attempt): void {
    this.add(request, attempt)
    if (attempt.outcome === 'pending') this.#partial.add(keyOf(request.caller, request.requestId))
  }

  /** The log has been asked: what it has is being added. */
  complete(caller: string, requestId: string): void {
    this.#partial.delete(keyOf(caller, requestId))
  }

  add(request: { caller: string; requestId: string; digest: string }, attempt: Attempt): void {
    const key = keyOf(request.caller, request.requestId)
    const entry = this.#entries.get(key)
    if (entry === undefined) this.#entries.set(key, { digest: request.digest, attempts: [attempt] })
    else if (!entry.attempts.some(({ xid }) => xid === attempt.xid)) insert(entry.attempts, attempt)
    this.#released.delete(key)
  }

  settle(request: { caller: string; requestId: string }, xid: Xid, outcome: 'committed' | 'aborted'): void {
    const entry = this.#entries.get(keyOf(request.caller, request.requestId))
    const attempt = entry?.attempts.find((other) => other.xid === xid)
    if (attempt !== undefined) attempt.outcome = outcome
  }

  /**
   * The log has the last record of this attempt. The entry may be given up, once it is among the oldest, when that
   * holds for each of its attempts: the log must be able to say all that the entry said.
   */
  release(request: { caller: string; requestId: string }, xid: Xid): void {
    const key = keyOf(request.caller, request.requestId)
    const entry = this.#entries.get(key)
    const attempt = entry?.attempts.find((other) => other.xid === xid)
    if (entry === undefined || attempt === undefined) return
    attempt.recorded = true
    dropOldAttempts(entry.attempts)
    if (entry.attempts.some((other) => other.recorded !== true)) return
    this.#released.add(key)
    if (this.#released.size <= this.#rememberedMax) return
    for (const oldest of this.#released) {
      this.#released.delete(oldest)
      this.#entries.delete(oldest)
      this.#mayBeInLog = true
      return
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

function keyOf(caller: string, requestId: string): string {
  return `${caller}\n${requestId}`
}
