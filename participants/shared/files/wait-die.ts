/**
 * R13, wait-die: of two that want the same lock, the older may wait and the younger is voted no at once. A wait
 * thus always goes from an older to a younger xid, so no cycle of waits can form, also not across participants.
 * Xids of different logs have no order, and none of them waits.
 */
import { compareXids, tryParseXid } from '../../../src/sdk/participant/index.ts'

export function mayWait(xid: string, holder: string): boolean {
  const own = tryParseXid(xid)
  const held = tryParseXid(holder)
  if (own === undefined || held === undefined || own.logId !== held.logId) return false
  return compareXids(own, held) < 0
}

export interface Waiter {
  readonly xid: string
  /** By `performance.now()`. */
  readonly deadlineMs: number
  expired(holder: string): void
}

/** Who waits for whom, in memory: a waiter has promised nothing, so a crash may forget it. */
export class WaitingRoom<W extends Waiter> {
  readonly #byHolder = new Map<string, Map<W, NodeJS.Timeout>>()

  add(holder: string, waiter: W): void {
    const waiters = this.#byHolder.get(holder) ?? new Map<W, NodeJS.Timeout>()
    this.#byHolder.set(holder, waiters)
    const expire = (): void => {
      this.remove(waiter)
      waiter.expired(holder)
    }
    waiters.set(waiter, setTimeout(expire, Math.max(0, waiter.deadlineMs - performance.now())))
  }

  /** Takes out who waited for the holder, the oldest first. */
  release(holder: string): readonly W[] {
    const waiters = this.#byHolder.get(holder)
    if (waiters === undefined) return []
    this.#byHolder.delete(holder)
    for (const timer of waiters.values()) clearTimeout(timer)
    return [...waiters.keys()].sort(olderFirst)
  }

  /** False: it is not in here, or not any more. */
  remove(waiter: W): boolean {
    let wasHere = false
    for (const [holder, waiters] of this.#byHolder) {
      clearTimeout(waiters.get(waiter))
      if (!waiters.delete(waiter)) continue
      wasHere = true
      if (waiters.size === 0) this.#byHolder.delete(holder)
    }
    return wasHere
  }

  /** Takes out everyone who waits under this xid. */
  take(xid: string): readonly W[] {
    const taken = [...this.#byHolder.values()].flatMap((waiters) => [...waiters.keys()])
    const own = taken.filter((waiter) => waiter.xid === xid)
    for (const waiter of own) this.remove(waiter)
    return own
  }

  takeAll(): readonly W[] {
    return [...this.#byHolder.keys()].flatMap((holder) => this.release(holder))
  }
}

/** Only xids of one log wait for one holder. */
function olderFirst(left: Waiter, right: Waiter): number {
  const leftParts = tryParseXid(left.xid)
  const rightParts = tryParseXid(right.xid)
  return leftParts === undefined || rightParts === undefined ? 0 : compareXids(leftParts, rightParts)
}
