/**
 * Requests by the name that their clients gave them. The index holds what is in flight and the youngest of what
 * has ended; older ones are in the log, and `mustAskLog` says when a name that isn't here must be looked up there.
 */
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
  /** Where it stands among those of which the log has all; undefined: not among them. */
  released: number | undefined
}

interface Name {
  readonly caller: string
  readonly requestId: string
}

/** How many of the line may have left it, beside as many as are in it, before it is closed up. */
const GAPS_MIN = 1_024

export class RequestIndex {
  readonly #entries = new ByName<RequestEntry>()
  /**
   * The names of released entries, the oldest first, and gaps of such as have left. An array, because a Set whose oldest leave
   * looks for its first among all that have left before.
   */
  #line: Name[] = []
  #head = 0
  #releasedCount = 0
  readonly #missing = new ByName<true>()
  /** Of these a replay has shown one attempt; the log may have others, which count for more. */
  readonly #partial = new ByName<true>()
  readonly #rememberedMax: number
  /** Since the log was opened it may have any name. */
  readonly #unknownInLog: boolean
  /** What was given up here. */
  #givenUp: NameFilter | undefined

  constructor(rememberedMax: number, mayBeInLog: boolean) {
    this.#rememberedMax = rememberedMax
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
    return this.#partial.has(caller, requestId) ? undefined : this.#entries.get(caller, requestId)
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

  add({ caller, requestId, digest }: Name & { digest: string }, attempt: Attempt): void {
    const entry = this.#entries.get(caller, requestId)
    if (entry === undefined) {
      this.#entries.set(caller, requestId, { digest, attempts: [attempt], released: undefined })
      return
    }
    if (!entry.attempts.some(({ xid }) => xid === attempt.xid)) insert(entry.attempts, attempt)
    if (entry.released === undefined) return
    entry.released = undefined
    this.#releasedCount -= 1
  }

  settle({ caller, requestId }: Name, xid: Xid, outcome: 'committed' | 'aborted'): void {
    const entry = this.#entries.get(caller, requestId)
    const attempt = entry?.attempts.find((other) => other.xid === xid)
    if (attempt !== undefined) attempt.outcome = outcome
  }

  /**
   * The log has the last record of this attempt. The entry may be given up, once it is among the oldest, when that
   * holds for each of its attempts: the log must be able to say all that the entry said.
   */
  release(name: Name, xid: Xid): void {
    const entry = this.#entries.get(name.caller, name.requestId)
    const attempt = entry?.attempts.find((other) => other.xid === xid)
    if (entry === undefined || attempt === undefined) return
    attempt.recorded = true
    dropOldAttempts(entry.attempts)
    if (entry.released !== undefined || entry.attempts.some((other) => other.recorded !== true)) return
    entry.released = this.#line.push(name) - 1
    this.#releasedCount += 1
    if (this.#releasedCount > this.#rememberedMax) this.#giveUpOldest()
    if (this.#line.length > 2 * this.#releasedCount + GAPS_MIN) this.#closeGaps()
  }

  #giveUpOldest(): void {
    for (let name = this.#line[this.#head]; name !== undefined; name = this.#line[this.#head]) {
      const place = this.#head
      this.#head += 1
      if (this.#entries.get(name.caller, name.requestId)?.released !== place) continue
      this.#entries.delete(name.caller, name.requestId)
      this.#releasedCount -= 1
      this.#givenUp ??= new NameFilter()
      this.#givenUp.add(name.caller, name.requestId)
      return
    }
  }

  #closeGaps(): void {
    const line: Name[] = []
    for (const [place, name] of this.#line.entries()) {
      const entry = this.#entries.get(name.caller, name.requestId)
      if (entry?.released === place) entry.released = line.push(name) - 1
    }
    this.#line = line
    this.#head = 0
  }
}

/** Two levels, because a name of both in one text would have to be made, and hashed, for each look. */
class ByName<Value> {
  readonly #callers = new Map<string, Map<string, Value>>()

  get(caller: string, requestId: string): Value | undefined {
    return this.#callers.get(caller)?.get(requestId)
  }

  has(caller: string, requestId: string): boolean {
    return this.#callers.get(caller)?.has(requestId) === true
  }

  set(caller: string, requestId: string, value: Value): void {
    const requests = this.#callers.get(caller)
    if (requests === undefined) this.#callers.set(caller, new Map([[requestId, value]]))
    else requests.set(requestId, value)
  }

  delete(caller: string, requestId: string): boolean {
    const requests = this.#callers.get(caller)
    if (requests?.delete(requestId) !== true) return false
    if (requests.size === 0) this.#callers.delete(caller)
    return true
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
