/** What waits for its turn, in order. What has given up leaves a gap, which the next in line, or a clearing, closes. */
import { ChurningMap } from '../../../base/churning.ts'
export class WaitingLine<Waiter> {
  #line: (Waiter | undefined)[] = []
  /** Where each stands. */
  readonly #places = new ChurningMap<Waiter, number>()
  #head = 0

  get size(): number {
    return this.#places.size
  }

  get first(): Waiter | undefined {
    while (this.#head < this.#line.length) {
      const waiter = this.#line[this.#head]
      if (waiter !== undefined) return waiter
      this.#head += 1
    }
    return undefined
  }

  push(waiter: Waiter): void {
    if (this.#line.length >= 2 * this.size + 16) this.#close()
    this.#places.set(waiter, this.#line.length)
    this.#line.push(waiter)
  }

  /** False: it doesn't wait here. */
  remove(waiter: Waiter): boolean {
    const place = this.#places.get(waiter)
    if (place === undefined) return false
    this.#places.delete(waiter)
    this.#line[place] = undefined
    return true
  }

  /** All of them, in order; they wait no more. */
  drain(): Waiter[] {
    const waiters = [...this.#places.keys()]
    this.#places.clear()
    this.#line = []
    this.#head = 0
    return waiters
  }

  /** In order. */
  *[Symbol.iterator](): Generator<Waiter> {
    yield* this.#places.keys()
  }

  #close(): void {
    this.#line = [...this.#places.keys()]
    this.#head = 0
    for (const [place, waiter] of this.#line.entries()) {
      if (waiter !== undefined) this.#places.set(waiter, place)
    }
  }
}
