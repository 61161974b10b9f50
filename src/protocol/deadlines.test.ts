import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Deadlines } from './deadlines.ts'

describe('deadlines', () => {
  it('behave like a sorted list, late by less than a bucket, never early', () => {
    const operation = fc.oneof(
      fc.record({ set: fc.integer({ min: 0, max: 20 }), atMs: fc.integer({ min: 0, max: 500 }) }),
      fc.record({ drop: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ take: fc.integer({ min: 0, max: 500 }) }),
    )
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const deadlines = new Deadlines<number>()
        const model = new Map<number, number>()
        for (const one of operations) {
          if ('set' in one) {
            deadlines.set(one.set, one.atMs)
            model.set(one.set, one.atMs)
          } else if ('drop' in one) {
            deadlines.delete(one.drop)
            model.delete(one.drop)
          } else {
            for (const key of deadlines.take(one.take)) {
              expect(model.get(key)).toBeLessThanOrEqual(one.take)
              model.delete(key)
            }
            for (const atMs of model.values()) expect(atMs).toBeGreaterThan(one.take - 10)
          }
          expect(deadlines.size).toBe(model.size)
          const nextMs = deadlines.nextMs()
          if (model.size === 0) expect(nextMs).toBeUndefined()
          else expect(nextMs).toBeGreaterThanOrEqual(Math.min(...model.values()))
        }
      }),
    )
  })
})
