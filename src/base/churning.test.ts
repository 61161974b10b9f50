import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChurningMap, ChurningSet } from './churning.ts'

/** Enough to renew the map several times. */
const MANY = 5_000

type Change =
  | { readonly type: 'set'; readonly key: number }
  | { readonly type: 'delete'; readonly key: number }
  | { readonly type: 'clear' }

const key = fc.nat({ max: 40 })
const changes = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: fc.record({ type: fc.constant('set'), key }) },
    { weight: 20, arbitrary: fc.record({ type: fc.constant('delete'), key }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('clear') }) },
  ) as fc.Arbitrary<Change>,
  { minLength: 100, maxLength: MANY, size: 'max' },
)

describe('a map whose entries come and go', () => {
  it('is a map, through all its renewals', () => {
    fc.assert(
      fc.property(changes, (all) => {
        const churning = new ChurningMap<number, number>()
        const map = new Map<number, number>()
        for (const [index, change] of all.entries()) {
          if (change.type === 'set') {
            churning.set(change.key, index)
            map.set(change.key, index)
          } else if (change.type === 'delete') {
            expect(churning.delete(change.key)).toBe(map.delete(change.key))
          } else {
            churning.clear()
            map.clear()
          }
        }
        expect([...churning]).toEqual([...map])
        expect([...churning.keys(), ...churning.values(), churning.size]).toEqual([
          ...map.keys(),
          ...map.values(),
          map.size,
        ])
      }),
      { numRuns: 20 },
    )
  })

  it('lets who iterates delete what it sees', () => {
    const map = new ChurningMap<number, string>()
    for (let index = 0; index < MANY; index += 1) map.set(index, 'x')
    for (const index of map.keys()) map.delete(index)
    expect(map.size).toBe(0)
  })
})

describe('a set whose members come and go', () => {
  it('keeps its members, and their order, through its renewals', () => {
    const set = new ChurningSet<number>()
    for (let index = 0; index < MANY; index += 1) {
      set.add(index)
      if (index >= 3) expect(set.delete(index - 3)).toBe(true)
    }
    expect([...set]).toEqual([MANY - 3, MANY - 2, MANY - 1])
    expect([set.has(MANY - 1), set.has(0), set.size]).toEqual([true, false, 3])
    set.clear()
    expect(set.size).toBe(0)
  })
})
