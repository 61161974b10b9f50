import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { breakNamed } from './breaks/index.ts'
import { CHANCE_FAULT_KINDS, TIMED_FAULT_KINDS } from './fault-kinds.ts'
import { runHistory } from './history.ts'
import { formatObserved } from './observations.ts'
import { simulate } from './simulate.ts'
import { Tally } from './tally.ts'

const freshSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0

async function traceHash(seed: number, index: number): Promise<string> {
  const { observed } = await runHistory({ seed, index, tally: new Tally() })
  const hash = createHash('sha256')
  for (const seen of observed) hash.update(`${formatObserved(seen)}\n`)
  return hash.digest('hex')
}

describe('the simulator', () => {
  it('repeats a history from its seed and index, to the last message', async () => {
    const seed = freshSeed()
    for (const index of [0, 1, 2, 3, 4]) {
      expect(await traceHash(seed, index), `seed ${seed}, history ${index}`).toBe(
        await traceHash(seed, index),
      )
    }
    expect(await traceHash(seed, 0)).not.toBe(await traceHash(seed, 1))
    expect(await traceHash(seed, 0)).not.toBe(await traceHash(seed + 1, 0))
  })

  it('finds no violation, and every outcome and nearly every kind of fault', async () => {
    const { tally, failure } = await simulate({ seed: freshSeed(), histories: 300 })
    expect(failure).toBeUndefined()
    expect(tally.committed).toBeGreaterThan(100)
    expect(tally.aborted).toBeGreaterThan(100)
    expect(tally.unknown).toBeGreaterThan(0)
    expect(tally.committed + tally.aborted + tally.unknown).toBe(tally.transactions)
    const kinds = [...CHANCE_FAULT_KINDS, ...TIMED_FAULT_KINDS]
    const met = kinds.filter((kind) => (tally.faults[kind] ?? 0) > 0)
    // The rarest need more histories than a unit test has.
    expect(met.length).toBeGreaterThan(kinds.length - 7)
  })

  it('draws every history from its index alone', async () => {
    const seed = freshSeed()
    const within = await simulate({ seed, histories: 4 })
    const alone = await simulate({ seed, histories: 0, only: 3 })
    expect(alone.observed.map(formatObserved)).toEqual(within.observed.map(formatObserved))
  })
})

describe('a bug put in on purpose', () => {
  it('is found again by its replay', async () => {
    const broken = breakNamed('abort-while-appending')
    const first = await simulate({ seed: freshSeed(), histories: 5_000, broken })
    expect(first.failure?.replay).toContain('--break abort-while-appending')
    const seed = Number(/--seed (\d+)/.exec(first.failure?.replay ?? '')?.[1])
    const replayed = await simulate({ seed, histories: 0, only: first.failure?.index, broken })
    expect(replayed.failure?.violations).toEqual(first.failure?.violations)
  })
})
