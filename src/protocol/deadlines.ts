/**
 * Deadlines by bucket: adding and removing cost one set operation each, so that a hundred thousand transactions
 * that never meet their deadline leave nothing behind. A deadline is met late by at most one bucket.
 */
import { ChurningMap } from '../base/churning.ts'

const BUCKET_MS = 10

export class Deadlines<Key> {
  readonly #buckets = new ChurningMap<number, Set<Key>>()
  readonly #bucketOf = new ChurningMap<Key, number>()
  /** No bucket lies below it. */
  #lowest = Number.POSITIVE_INFINITY

  get size(): number {
    return this.#bucketOf.size
  }

  /** Sets the key's only deadline; an earlier one is replaced. */
  set(key: Key, atMs: number): void {
    this.delete(key)
    const bucket = Math.ceil(atMs / BUCKET_MS)
    let keys = this.#buckets.get(bucket)
    if (keys === undefined) {
      keys = new Set()
      this.#buckets.set(bucket, keys)
      if (bucket < this.#lowest) this.#lowest = bucket
    }
    keys.add(key)
    this.#bucketOf.set(key, bucket)
  }

  delete(key: Key): void {
    const bucket = this.#bucketOf.get(key)
    if (bucket === undefined) return
    this.#bucketOf.delete(key)
    const keys = this.#buckets.get(bucket)
    keys?.delete(key)
    if (keys?.size === 0) this.#drop(bucket)
  }

  /** When the earliest deadline is met, or undefined. */
  nextMs(): number | undefined {
    return this.#lowest === Number.POSITIVE_INFINITY ? undefined : this.#lowest * BUCKET_MS
  }

  /** Takes out all keys whose deadline has been met, earliest first. */
  take(nowMs: number): Key[] {
    const taken: Key[] = []
    while (this.#lowest * BUCKET_MS <= nowMs) {
      const bucket = this.#lowest
      for (const key of this.#buckets.get(bucket) ?? []) {
        taken.push(key)
        this.#bucketOf.delete(key)
      }
      this.#drop(bucket)
    }
    return taken
  }

  #drop(bucket: number): void {
    this.#buckets.delete(bucket)
    if (bucket !== this.#lowest) return
    this.#lowest = Number.POSITIVE_INFINITY
    for (const other of this.#buckets.keys()) if (other < this.#lowest) this.#lowest = other
  }
}
