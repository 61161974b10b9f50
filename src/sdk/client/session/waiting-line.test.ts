import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WaitingLine } from './waiting-line.ts'

describe('WaitingLine', () => {
  it('is a list whose members may leave from anywhere', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant('push' as const) },
      { weight: 2, arbitrary: fc.constant('shift' as const) },
      { weight: 2, arbitrary: fc.nat(200) },
      { weight: 1, arbitrary: fc.constant('drain' as const) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const line = new WaitingLine<{ id: number }>()
        const model: { id: number }[] = []
        let id = 0
        for (const step of steps) {
          if (step === 'push') {
            const waiter = { id: (id += 1) }
            line.push(waiter)
            model.push(waiter)
          } else if (step === 'drain') {
            if (id % 5 === 0) expect(line.drain()).toEqual(model.splice(0))
          } else {
            const place = step === 'shift' ? 0 : step % Math.max(1, model.length)
            const [waiter] = model.splice(place, 1)
            expect(line.remove(waiter ?? { id: 0 })).toBe(waiter !== undefined)
          }
          expect(line.first).toBe(model[0])
          expect(line.size).toBe(model.length)
          expect([...line]).toEqual(model)
        }
      }),
    )
  })
})
