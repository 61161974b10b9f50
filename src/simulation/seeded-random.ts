/** The one source of chance in a simulation: everything that is drawn follows from the seed. */
import { assert } from '../base/assert.ts'
import type { Random } from '../base/ports.ts'

/** sfc32 (Chris Doty-Humphrey's PractRand): small, fast, and good enough to spread faults. */
export class SeededRandom implements Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number, stream = 0) {
    this.#a = seed >>> 0
    this.#b = stream >>> 0
    this.#c = Math.imul(seed ^ stream, 0x9e3779b1) >>> 0
    for (let index = 0; index < 15; index += 1) this.#next()
  }

  below(limit: number): number {
    assert(limit >= 1, 'a draw has at least one result')
    return Math.floor(this.unit() * limit)
  }

  /** In [0, 1). */
  unit(): number {
    return this.#next() / 2 ** 32
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  /** A real number in [low, high). */
  between(low: number, high: number): number {
    return low + this.unit() * (high - low)
  }

  pick<Item>(items: readonly Item[]): Item {
    assert(items.length > 0, 'there is something to pick from')
    return items[this.below(items.length)] as Item
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) >>> 0
    this.#counter = (this.#counter + 1) >>> 0
    this.#a = (this.#b ^ (this.#b >>> 9)) >>> 0
    this.#b = (this.#c + (this.#c << 3)) >>> 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0
    return sum
  }
}
