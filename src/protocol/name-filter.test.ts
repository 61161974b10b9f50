import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NameFilter } from './name-filter.ts'

describe('the filter of names', () => {
  it('never denies what was added', () => {
    const names = fc.uniqueArray(fc.tuple(fc.string(), fc.string()), { maxLength: 50 })
    fc.assert(
      fc.property(names, (added) => {
        const filter = new NameFilter()
        for (const name of added) filter.add(...name)
        for (const name of added) expect(filter.mayHave(...name)).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  it('takes few of the others for one of them', () => {
    const filter = new NameFilter()
    for (let index = 0; index < 200_000; index += 1) filter.add('app', `mhc2k9x1-${index.toString(36)}`)
    const others = Array.from({ length: 10_000 }, (_, index) => `mhc2k9x2-${index.toString(36)}`)
    expect(others.filter((name) => filter.mayHave('app', name)).length).toBeLessThan(100)
    expect(filter.mayHave('another', 'mhc2k9x1-1')).toBe(false)
  })
})
