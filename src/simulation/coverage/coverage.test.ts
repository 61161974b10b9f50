import { describe, expect, it } from 'vitest'
import { EXPECTED, reasonFor } from './expected.ts'
import { coverageOf, formatCoverage } from './report.ts'

const asked = EXPECTED.filter((what) => reasonFor(what) === undefined)
const all = (left: readonly string[] = []) =>
  new Map(asked.filter((what) => !left.includes(what)).map((what) => [what, 1]))

describe('the coverage report', () => {
  it('misses nothing when all that can be reached was', () => {
    expect(coverageOf(all()).missing).toEqual([])
    expect(coverageOf(all()).explained.length).toBe(EXPECTED.length - asked.length)
  })

  it('names what was not reached, and has no reason', () => {
    const coverage = coverageOf(all(['event vote yes @ preparing']))
    expect(coverage.missing).toEqual(['event vote yes @ preparing'])
    expect(formatCoverage(coverage)).toMatch(/nothing says why: 1\n\s+event vote yes @ preparing\n/)
  })

  it('gives the reason of what can not be reached', () => {
    const { explained } = coverageOf(all())
    expect(explained).toContainEqual({
      what: 'event decision durable @ preparing',
      reason: 'while the decision is written nothing else moves its transaction (R1)',
    })
  })

  it('shows what was reached beyond what is asked for', () => {
    const { beyond } = coverageOf(all().set('recovery settled @ away', 3))
    expect(beyond).toEqual([{ what: 'recovery settled @ away', count: 3 }])
  })

  it('lists nothing twice', () => {
    expect(new Set(EXPECTED).size).toBe(EXPECTED.length)
  })
})
