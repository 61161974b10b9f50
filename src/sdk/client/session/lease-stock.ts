/**
 * The leased xids that a session has not used yet, in the order in which they came. It says when to ask for more, and for how
 * many: more at a time where they run out, fewer where they grow stale unused, because what is dropped here still counts as
 * leased at the coordinator.
 */
import { type Epoch, formatXid, type LogId, type Xid } from '../../../base/ids.ts'
import type { Limits } from '../../../base/limits.ts'
import type { Clock } from '../../../base/ports.ts'
import type { XidLease } from '../../../protocol/requests.ts'

export type LeaseLimits = Pick<Limits, 'leaseSize' | 'leasedMax' | 'leaseKeptMs'>

export interface LeaseStockOptions {
  readonly logId: LogId
  readonly epoch: Epoch
  readonly limits: LeaseLimits
  readonly clock: Clock
}

interface Lease {
  nextSequence: number
  readonly endSequence: number
  readonly staleAtMs: number
}

/** An xid's sequence has 15 digits at most. */
const SEQUENCE_END = 1e15

export class LeaseStock {
  readonly #options: LeaseStockOptions
  readonly #leases: Lease[] = []
  #left = 0
  #askSize: number

  constructor(options: LeaseStockOptions, first: XidLease) {
    this.#options = options
    this.#askSize = Math.max(1, first.count > 0 ? first.count : options.limits.leaseSize)
    this.add(first)
  }

  /** A lease of none, or of what can't be xids, adds nothing. */
  add({ firstSequence, count }: XidLease): void {
    const endSequence = firstSequence + count
    if (!Number.isSafeInteger(firstSequence) || firstSequence < 1) return
    if (!Number.isSafeInteger(count) || count < 1 || endSequence > SEQUENCE_END) return
    const { clock, limits } = this.#options
    this.#leases.push({
      nextSequence: firstSequence,
      endSequence,
      staleAtMs: clock.monotonicMs() + limits.leaseKeptMs,
    })
    this.#left += count
  }

  /** Undefined where there is none left that may still be used. */
  take(): Xid | undefined {
    const droppedStale = this.#dropStale()
    const [lease] = this.#leases
    if (lease === undefined) {
      if (!droppedStale) this.#askSize = Math.min(this.#askSize * 2, this.#askSizeMax)
      return undefined
    }
    const { logId, epoch } = this.#options
    const xid = formatXid({ logId, epoch, sequence: lease.nextSequence })
    lease.nextSequence += 1
    this.#left -= 1
    if (lease.nextSequence === lease.endSequence) this.#leases.shift()
    return xid
  }

  /** How many more to ask for now; 0: enough are left. */
  get wanted(): number {
    return this.#left * 2 < this.#askSize ? this.#askSize : 0
  }

  get #askSizeMax(): number {
    const { leaseSize, leasedMax } = this.#options.limits
    return Math.max(leaseSize, Math.floor(leasedMax / 4), 1)
  }

  #dropStale(): boolean {
    const nowMs = this.#options.clock.monotonicMs()
    let dropped = false
    for (let oldest = this.#leases[0]; oldest !== undefined && oldest.staleAtMs <= nowMs; ) {
      this.#left -= oldest.endSequence - oldest.nextSequence
      this.#leases.shift()
      dropped = true
      oldest = this.#leases[0]
    }
    if (dropped) this.#askSize = Math.max(1, Math.floor(this.#askSize / 2))
    return dropped
  }
}
