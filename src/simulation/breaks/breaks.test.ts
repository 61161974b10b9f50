import { describe, expect, it } from 'vitest'
import { runHistory } from '../history.ts'
import { Tally } from '../tally.ts'
import { BREAKS, type Break, breakNamed } from './index.ts'

const HISTORIES_MAX = 5_000

const freshSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0

/** What the checkers say up to the history in which the one that has to say something does. */
async function caught(
  seed: number,
  broken: Break,
): Promise<{ said: Set<string>; after: number | undefined }> {
  const said = new Set<string>()
  for (let index = 0; index < HISTORIES_MAX; index += 1) {
    const { violations } = await runHistory({ seed, index, broken, tally: new Tally() })
    for (const violation of violations) said.add(violation.slice(0, 40))
    if (violations.some((violation) => broken.caughtAs.test(violation))) return { said, after: index }
  }
  return { said, after: undefined }
}

describe('a bug put in on purpose', () => {
  it.each(BREAKS.map((broken) => [broken.name, broken] as const))(
    'is caught: %s',
    async (name, broken) => {
      const seed = freshSeed()
      const { said, after } = await caught(seed, broken)
      const instead = said.size === 0 ? 'nothing' : [...said].slice(0, 5).join('; ')
      expect(
        after,
        `${name}, seed ${seed}: ${HISTORIES_MAX} histories, and no checker says ${broken.caughtAs}; said was: ${instead}`,
      ).toBeDefined()
    },
    180_000,
  )

  it.each(Array.from({ length: 17 }, (_, index) => `R${index + 1}`))(
    'there is one that undoes %s',
    (rule) => {
      const undoing = BREAKS.filter(({ does }) => new RegExp(`\\(.*\\b${rule}\\b.*\\)`).test(does))
      expect(undoing.length).toBeGreaterThan(0)
    },
  )

  it('has a name of its own, and says what it does', () => {
    expect(new Set(BREAKS.map(({ name }) => name)).size).toBe(BREAKS.length)
    expect(BREAKS.length).toBeGreaterThanOrEqual(24)
    for (const broken of BREAKS) {
      expect(broken.name).toMatch(/^[a-z]+(?:-[a-z]+)+$/)
      expect(breakNamed(broken.name)).toBe(broken)
    }
  })
})
