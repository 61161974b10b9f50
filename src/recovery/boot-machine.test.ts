import { describe, expect, it } from 'vitest'
import { Boot } from './boot-machine.ts'

describe('the boot machine', () => {
  it('serves only after lock, open, fence, checkpoint and replay', () => {
    const boot = new Boot()
    for (const type of ['lock', 'open', 'fence', 'checkpoint', 'replay'] as const) {
      boot.send({ type })
      expect(boot.state).not.toBe('serving')
    }
    boot.send({ type: 'replayed' })
    expect(boot.state).toBe('serving')
  })

  it.each(['fence', 'checkpoint', 'replay', 'replayed'] as const)(
    'does not let "%s" come out of turn',
    (type) => {
      expect(() => new Boot().send({ type })).toThrow(/skipped a step/)
    },
  )

  it('is refused from every step, with the reason, for good', () => {
    const boot = new Boot()
    boot.send({ type: 'lock' })
    boot.send({ type: 'open' })
    boot.send({ type: 'failed', reason: 'the log is damaged' })
    expect(boot.state).toBe('refused')
    expect(boot.reason).toBe('the log is damaged')
    expect(() => boot.send({ type: 'fence' })).toThrow(/skipped a step/)
  })
})
