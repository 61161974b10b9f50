/** Retention. */
import { expect, test } from 'vitest'
import { compareXids } from '../../base/ids.ts'
import type { Log } from '../log.ts'
import { aborted, decision, end, heuristic, participant } from '../sample-records.ts'
import { placeOf } from '../stored-record.ts'
import { type Again, appended, type Create, nothingBroken, xidsIn } from './bench.ts'

export function testExpiry(create: Create): void {
  test('expired is the highest place up to which all has ended in time', async () => {
    const { log, xid } = await create()
    expect(await log.expired(1_000)).toBeUndefined()
    for (const sequence of [1, 2, 3, 4, 5]) await appended(log, decision(xid(sequence)))
    await appended(log, end(xid(1), 100), end(xid(2), 300), end(xid(3), 200), end(xid(5), 100))
    expect(await log.expired(100)).toBeUndefined()
    expect(await log.expired(101)).toEqual(placeOf(xid(1)))
    expect(await log.expired(250)).toEqual(placeOf(xid(1)))
    expect(await log.expired(301)).toEqual(placeOf(xid(3)))
    await appended(log, end(xid(4), 400))
    expect(await log.expired(9_999)).toEqual(placeOf(xid(5)))
    await log.forget(placeOf(xid(3)))
    expect(await log.expired(301)).toBeUndefined()
    expect(await log.expired(9_999)).toEqual(placeOf(xid(5)))
  })
}

export function testForgetting(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
  test('what is forgotten is found by nobody, at once and for ever', async () => {
    const { log, xid } = await create()
    await appended(log, decision(xid(1), { request: 'r' }), end(xid(1)), aborted(xid(2), { request: 'r' }))
    await appended(log, decision(xid(3), { request: 'r' }), end(xid(3)))
    await log.forget(placeOf(xid(2)))
    const lookAround = async (at: Log) => {
      expect(await at.findTransaction(xid(1))).toBeUndefined()
      expect(await at.findTransaction(xid(2))).toBeUndefined()
      expect(xidsIn(await at.findRequest('alice', 'r'))).toEqual([xid(3)])
      expect(xidsIn(await at.listEnded({ pageSize: 10 }))).toEqual([xid(3)])
    }
    await lookAround(log)
    const crashed = await crashAndReopen(log)
    expect(crashed.answer.forgottenThrough).toEqual(placeOf(xid(2)))
    await lookAround(crashed.log)
    const closed = await closeAndReopen(crashed.log)
    expect(closed.answer.forgottenThrough).toEqual(placeOf(xid(2)))
    await lookAround(closed.log)
  })

  test('the unended and the broken are never forgotten', async () => {
    const { log, xid } = await create()
    await appended(log, decision(xid(1)), decision(xid(2)), heuristic(xid(2)), end(xid(2)))
    await appended(log, decision(xid(3)), end(xid(3)))
    await appended(log, heuristic(xid(3)))
    await appended(log, decision(xid(4)), end(xid(4)), participant('sink', 'one'))
    await log.forget(placeOf(xid(4)))
    const again = await crashAndReopen(log)
    expect(again.answer.unended).toEqual([decision(xid(1))])
    expect(again.answer.heuristics).toEqual([heuristic(xid(2)), heuristic(xid(3))])
    expect(again.answer.participants).toEqual([participant('sink', 'one')])
    expect(await again.log.findTransaction(xid(2))).toMatchObject({ end: end(xid(2)) })
    expect(await again.log.findTransaction(xid(3))).toMatchObject({ end: end(xid(3)) })
    expect(await again.log.findTransaction(xid(4))).toBeUndefined()
    await appended(again.log, end(xid(1)))
    expect(await again.log.findTransaction(xid(1))).toBeUndefined()
  })

  test('the place never goes back', async () => {
    const { log, xid } = await create()
    await log.forget(placeOf(xid(9)))
    await log.forget(placeOf(xid(4)))
    const { answer } = await closeAndReopen(log)
    expect(answer.forgottenThrough && compareXids(answer.forgottenThrough, placeOf(xid(9)))).toBe(0)
  })
}

export function testForgettingAround(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
  test('an opening finds nothing that it needs dropped, whatever was forgotten around it', async () => {
    let { log, xid, answer } = await create()
    const stuck = decision(xid(1_000_000), { request: 'stuck' })
    const broken = [decision(xid(1_000_001)), heuristic(xid(1_000_001)), end(xid(1_000_001))]
    await appended(log, participant('sink', 'one'), stuck, ...broken)
    const epochs = [answer.epoch]
    for (let round = 0; round < 6; round += 1) {
      for (let sequence = 1; sequence <= 30; sequence += 1) {
        await appended(log, decision(xid(sequence)), end(xid(sequence)))
      }
      await log.forget(placeOf(xid(30)))
      ;({ log, xid, answer } = await (round % 2 === 0 ? crashAndReopen : closeAndReopen)(log))
      epochs.push(answer.epoch)
      expect(answer).toMatchObject({
        epochs,
        unended: [stuck],
        heuristics: [heuristic(broken[0]?.xid ?? stuck.xid)],
      })
      expect(answer.participants).toEqual([participant('sink', 'one')])
      expect(await log.findTransaction(stuck.xid)).toEqual({ record: stuck, ...nothingBroken })
      expect(xidsIn(await log.findRequest('alice', 'stuck'))).toEqual([stuck.xid])
    }
  })
}
