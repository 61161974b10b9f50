import { describe, expect, it } from 'vitest'
import { endingText, RestartDelays } from './restarting.ts'
import { RESTART_DELAY_MAX_MS, RESTART_DELAY_MIN_MS } from './tuning.ts'

describe('a daemon part that ended', () => {
  it('is started again later each time, up to a bound', () => {
    const delays = new RestartDelays()
    const drawn = Array.from({ length: 40 }, () => delays.next())
    expect(drawn.slice(0, 3)).toEqual([1, 2, 4].map((factor) => factor * RESTART_DELAY_MIN_MS))
    expect(drawn.at(-1)).toBe(RESTART_DELAY_MAX_MS)
  })

  it('is not well because it served for a moment', () => {
    const delays = new RestartDelays()
    delays.next()
    delays.serves()
    expect(delays.next()).toBe(2 * RESTART_DELAY_MIN_MS)
  })

  it('is not waited for once the application has ended', async () => {
    const delays = new RestartDelays()
    const pause = delays.pause(3_600_000)
    delays.skip()
    await expect(pause).resolves.toBeUndefined()
    await expect(delays.pause(3_600_000)).resolves.toBeUndefined()
  })

  it.each([
    [{ code: null, signal: 'SIGKILL', failure: undefined }, 'it was killed by SIGKILL'],
    [{ code: 74, signal: null, failure: undefined }, 'it ended with the exit code 74'],
    [{ code: 70, signal: null, failure: { code: 'LOG_IN_USE', message: 'in use' } }, 'in use'],
  ] as const)('%o', (ending, text) => {
    expect(endingText(ending)).toBe(text)
  })
})
