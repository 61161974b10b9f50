/**
 * Maps and sets whose entries come and go all the time, a few at once. Where V8 makes a larger, a smaller or a cleaner table for
 * a Map it leaves in the old one a pointer to the new (for iterators that are under way: ordered-hash-table.cc). One old table
 * that a full collection has moved among the long-lived objects so keeps the next alive, that one the one after it, and with
 * them every entry that they had: what lived for a millisecond is copied twice, and stays until the next full collection. These
 * take a new Map from time to time, to which no old table points.
 *
 * An iterator sees what was there when the Map that it began on was given up: whoever adds while iterating takes a copy first.
 */
const RENEWED_AFTER = 1_024

export class ChurningMap<Key, Value> {
  #map = new Map<Key, Value>()
  #added = 0

  get size(): number {
    return this.#map.size
  }

  get(key: Key): Value | undefined {
    return this.#map.get(key)
  }

  has(key: Key): boolean {
    return this.#map.has(key)
  }

  set(key: Key, value: Value): this {
    this.#added += 1
    if (this.#added >= RENEWED_AFTER && this.#added >= 2 * this.#map.size) {
      this.#map = new Map(this.#map)
      this.#added = 0
    }
    this.#map.set(key, value)
    return this
  }

  delete(key: Key): boolean {
    return this.#map.delete(key)
  }

  clear(): void {
    this.#map = new Map()
  }

  keys(): MapIterator<Key> {
    return this.#map.keys()
  }

  values(): MapIterator<Value> {
    return this.#map.values()
  }

  entries(): MapIterator<[Key, Value]> {
    return this.#map.entries()
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.#map.entries()
  }
}

export class ChurningSet<Value> {
  readonly #map = new ChurningMap<Value, true>()

  get size(): number {
    return this.#map.size
  }

  has(value: Value): boolean {
    return this.#map.has(value)
  }

  add(value: Value): this {
    this.#map.set(value, true)
    return this
  }

  delete(value: Value): boolean {
    return this.#map.delete(value)
  }

  clear(): void {
    this.#map.clear()
  }

  [Symbol.iterator](): MapIterator<Value> {
    return this.#map.keys()
  }
}
