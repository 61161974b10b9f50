/**
 * A prepare from its arrival to its vote, and whether anybody still waits for it. An abort doesn't overtake its
 * prepare, but it makes it stop waiting: the request's signal fires, whether the prepare runs or waits for its turn.
 */
import { ChurningMap } from '../../base/churning.ts'
import { PledgedError } from '../../base/errors.ts'
import type { Xid } from '../../base/ids.ts'
import type { Clock, Timers } from '../../base/ports.ts'
import type { CoordinatorMessage } from '../../protocol/messages.ts'
import type { PrepareRequest } from './participant.ts'

export type PrepareMessage = CoordinatorMessage & { type: 'prepare' }

export interface PreparationPorts {
  readonly clock: Clock
  readonly timers: Timers
}

export class Preparation {
  readonly message: PrepareMessage
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #receivedMs: number
  #controller: AbortController | undefined
  #cancelTimer = (): void => {}
  /** Why nobody waits any more. */
  #abandoned: string | undefined

  constructor(message: PrepareMessage, ports: PreparationPorts) {
    this.message = message
    this.#clock = ports.clock
    this.#timers = ports.timers
    this.#receivedMs = ports.clock.monotonicMs()
  }

  /** Why it needn't run at all, in words; undefined while its vote is waited for. */
  get pointless(): string | undefined {
    if (this.#abandoned !== undefined) return this.#abandoned
    return this.#remainingMs() <= 0 ? 'the prepare timed out while it waited for its turn' : undefined
  }

  abandon(why: string): void {
    if (this.#abandoned !== undefined) return
    this.#abandoned = why
    this.#controller?.abort(abandonment(why))
  }

  /** The vote is there, or isn't wanted. */
  ended(): void {
    this.#cancelTimer()
  }

  /** What the participant sees. */
  request(): PrepareRequest {
    return new RequestOf(this, this.#remainingMs())
  }

  /** Made, with its timer, for whom looks at it. */
  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal
    this.#controller = new AbortController()
    if (this.#abandoned !== undefined) this.#controller.abort(abandonment(this.#abandoned))
    else {
      this.#cancelTimer = this.#timers.after(Math.max(0, this.#remainingMs()), () =>
        this.abandon(`nobody waits for the vote after ${this.message.timeoutMs} ms`),
      )
    }
    return this.#controller.signal
  }

  #remainingMs(): number {
    return this.message.timeoutMs - (this.#clock.monotonicMs() - this.#receivedMs)
  }
}

/**
 * Its signal is made for whom looks at it, by an accessor that all of them share. One that an expression makes anew for each
 * object gives each a shape of its own in V8: making that took longer than all else that a prepare costs, and the shapes, with
 * what they hung on, stayed until the next full collection. It is the object's own, so that whoever copies a request has it too.
 */
class RequestOf implements PrepareRequest {
  static readonly #SIGNAL = {
    enumerable: true,
    get(this: RequestOf): AbortSignal {
      return this.#preparation.signal
    },
  }
  readonly xid: Xid
  readonly work: Uint8Array
  readonly timeoutMs: number
  readonly onePhase: boolean
  declare readonly signal: AbortSignal
  readonly #preparation: Preparation

  constructor(preparation: Preparation, timeoutMs: number) {
    const { xid, work, onePhase = false } = preparation.message
    this.xid = xid
    this.work = work
    this.timeoutMs = timeoutMs
    this.onePhase = onePhase
    this.#preparation = preparation
    Object.defineProperty(this, 'signal', RequestOf.#SIGNAL)
  }
}

/** The prepares under way in a host. */
export class Preparations<Caller> {
  /** Nearly always one of an xid. */
  readonly #byXid = new ChurningMap<Xid, readonly UnderWay<Caller>[]>()

  add(preparation: Preparation, caller: Caller): void {
    const { xid } = preparation.message
    this.#byXid.set(xid, [...(this.#byXid.get(xid) ?? []), { preparation, caller }])
  }

  remove(preparation: Preparation): void {
    const { xid } = preparation.message
    const others = this.#byXid.get(xid)?.filter((other) => other.preparation !== preparation) ?? []
    if (others.length === 0) this.#byXid.delete(xid)
    else this.#byXid.set(xid, others)
  }

  abandon(xid: Xid, why: string): void {
    for (const { preparation } of this.#byXid.get(xid) ?? []) preparation.abandon(why)
  }

  abandonOf(gone: Caller, why: string): void {
    for (const same of this.#byXid.values()) {
      for (const { preparation, caller } of same) if (caller === gone) preparation.abandon(why)
    }
  }
}

interface UnderWay<Caller> {
  readonly preparation: Preparation
  readonly caller: Caller
}

/** Retryable: nothing is wrong with the work. */
function abandonment(why: string): PledgedError {
  return new PledgedError('UNAVAILABLE', why)
}
