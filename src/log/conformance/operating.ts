/** What operators did: kept for as long as it matters, and their audit for ever. */
import { expect, test } from 'vitest'
import { auditEventsMax } from '../../base/limits.ts'
import {
  acknowledgement,
  audit,
  branchForgotten,
  decision,
  end,
  heuristic,
  participant,
  pause,
} from '../sample-records.ts'
import { placeOf } from '../stored-record.ts'
import { type Again, appended, type Create, nothingBroken } from './bench.ts'

export function testAcknowledging(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
  test('an acknowledged heuristic is shown with its transaction, and nowhere else', async () => {
    const { log, xid } = await create()
    await appended(log, decision(xid(1)), heuristic(xid(1)), end(xid(1)))
    await appended(log, acknowledgement(xid(1)))
    const again = await crashAndReopen(log)
    expect(again.answer.heuristics).toEqual([])
    expect(await again.log.findTransaction(xid(1))).toEqual({
      record: decision(xid(1)),
      end: end(xid(1)),
      ...nothingBroken,
      heuristics: [heuristic(xid(1))],
      acknowledgements: [acknowledgement(xid(1))],
    })
  })

  test('an acknowledged heuristic may be forgotten, one that is not may not', async () => {
    const { log, xid } = await create()
    for (const sequence of [1, 2]) {
      await appended(log, decision(xid(sequence)), heuristic(xid(sequence)), end(xid(sequence)))
    }
    await appended(log, acknowledgement(xid(1)))
    await log.forget(placeOf(xid(2)))
    const again = await closeAndReopen(log)
    expect(await again.log.findTransaction(xid(1))).toBeUndefined()
    expect(await again.log.findTransaction(xid(2))).toMatchObject({ heuristics: [heuristic(xid(2))] })
    expect(again.answer.heuristics).toEqual([heuristic(xid(2))])
  })

  test('of two who broke their pledge, the one that is acknowledged', async () => {
    const { log, xid } = await create()
    const other = { ...heuristic(xid(1)), participant: 'offsets' }
    await appended(log, decision(xid(1)), heuristic(xid(1)), acknowledgement(xid(1)), other, end(xid(1)))
    const again = await crashAndReopen(log)
    expect(again.answer.heuristics).toEqual([other])
  })
}

export function testOperated(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
  test('a branch that was given up, while its transaction is unended and after', async () => {
    const { log, xid } = await create()
    await appended(log, decision(xid(1)), branchForgotten(xid(1)), decision(xid(2)), branchForgotten(xid(2)))
    await appended(log, end(xid(2)))
    const again = await crashAndReopen(log)
    expect(again.answer.branchesForgotten).toEqual([branchForgotten(xid(1))])
    expect(await again.log.findTransaction(xid(2))).toMatchObject({
      branchesForgotten: [branchForgotten(xid(2))],
    })
  })

  test('a pause lasts until it is ended', async () => {
    const { log } = await create()
    await appended(log, participant('sink', 'one'), pause('sink'), pause('offsets'), pause('offsets', false))
    const again = await closeAndReopen(log)
    expect(again.answer.pauses).toEqual([pause('sink')])
    await appended(again.log, pause('sink', false))
    expect((await crashAndReopen(again.log)).answer.pauses).toEqual([])
  })

  test('the audit outlives what it is about, and everything that is forgotten around it', async () => {
    let { log, xid, answer } = await create()
    const events = [audit(xid(1), 10), audit('', 11)]
    await appended(log, decision(xid(1)), pause('sink'), branchForgotten(xid(1)), ...events, end(xid(1)))
    for (let round = 0; round < 4; round += 1) {
      for (let sequence = 2; sequence <= 40; sequence += 3) {
        const others = [xid(sequence), xid(sequence + 1), xid(sequence + 2)]
        await appended(log, ...others.flatMap((other) => [decision(other), end(other)]))
      }
      await log.forget(placeOf(xid(40)))
      ;({ log, xid, answer } = await (round % 2 === 0 ? crashAndReopen : closeAndReopen)(log))
      expect(answer.audit).toEqual(events)
      expect(answer.pauses).toEqual([pause('sink')])
    }
  })

  test('so many of the newest of the audit', async () => {
    const { log } = await create()
    const events = Array.from({ length: auditEventsMax + 5 }, (_, index) => audit('', index))
    await appended(log, ...events)
    const again = await closeAndReopen(log)
    expect(again.answer.audit).toEqual(events.slice(5))
    await appended(again.log, audit('', 5_000))
    expect((await crashAndReopen(again.log)).answer.audit).toEqual([...events.slice(6), audit('', 5_000)])
  })
}
