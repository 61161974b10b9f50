import { describe, expect, it } from 'vitest'
import { Lanes, Slots } from './lanes.ts'

describe('lanes', () => {
  it('run the jobs of one in order, and those of others beside it', async () => {
    const lanes = new Lanes()
    const gate = Promise.withResolvers<void>()
    const ran: string[] = []
    lanes.run('a', async () => {
      await gate.promise
      ran.push('a1')
    })
    lanes.run('a', async () => void ran.push('a2'))
    lanes.run('b', async () => void ran.push('b1'))
    expect(ran).toEqual(['b1'])
    gate.resolve()
    await lanes.idle()
    expect(ran).toEqual(['b1', 'a1', 'a2'])
    await lanes.idle()
  })
})

describe('slots', () => {
  it('are handed to who has waited longest, and never more than there are', async () => {
    const slots = new Slots(1)
    const taken: string[] = []
    const take = async (who: string) => {
      await slots.take()
      taken.push(who)
    }
    await take('first')
    const rest = Promise.all([take('second'), take('third')])
    expect(taken).toEqual(['first'])
    slots.give()
    slots.give()
    await rest
    expect(taken).toEqual(['first', 'second', 'third'])
    slots.give()
    expect(await slots.take()).toBe(true)
  })

  it('aren’t waited for any longer than the signal allows', async () => {
    const slots = new Slots(1)
    const controller = new AbortController()
    expect(await slots.take(() => expect.unreachable())).toBe(true)
    const given = slots.take(() => controller.signal)
    const other = slots.take()
    controller.abort()
    expect(await given).toBe(false)
    expect(await slots.take(() => controller.signal)).toBe(false)
    slots.give()
    expect(await other).toBe(true)
  })
})
