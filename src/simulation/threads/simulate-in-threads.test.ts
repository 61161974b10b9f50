import { describe, expect, it } from 'vitest'
import { breakNamed } from '../breaks/index.ts'
import { simulate } from '../simulate.ts'
import { simulateInThreads } from './index.ts'

const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0

describe('a simulation in threads', () => {
  it('counts what one thread would have counted', async () => {
    const signal = new AbortController().signal
    const together = await simulateInThreads({ seed, histories: 120, signal, onProgress: () => {} })
    const alone = await simulate({ seed, histories: 120 })
    expect(together.failure).toEqual(alone.failure)
    expect(together.tally.counts).toEqual(alone.tally.counts)
  })

  it('reports the first violation, whoever came upon it, with its replay', async () => {
    const broken = breakNamed('commit-before-sync')
    const signal = new AbortController().signal
    const { failure } = await simulateInThreads({
      seed,
      histories: 300,
      broken,
      signal,
      onProgress: () => {},
    })
    const alone = await simulate({ seed, histories: 300, broken })
    expect(failure).toEqual(alone.failure)
    expect(failure?.replay).toContain(`--seed ${seed} --only ${failure?.index} --break commit-before-sync`)
  })

  it('ends when it is told to', async () => {
    const { tally } = await simulateInThreads({
      seed,
      histories: Number.POSITIVE_INFINITY,
      signal: AbortSignal.abort(),
      onProgress: () => {},
    })
    expect(tally.histories).toBe(0)
  })
})
