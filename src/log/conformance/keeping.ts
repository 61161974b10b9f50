/** What is kept, and how it is found. */
import { expect, test } from 'vitest'
import type { Xid } from '../../base/ids.ts'
import type { KeptTransaction } from '../../protocol/records.ts'
import { aborted, decision, end, heuristic, onePhase, participant, superseded } from '../sample-records.ts'
import { placeOf } from '../stored-record.ts'
import { type Again, appended, type Create, nothingBroken, xidsIn } from './bench.ts'

export function testEnded(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
  test('an ended decision is not unended any more, and is found with its end', async () => {
    const { log, xid } = await create()
    await appended(log, decision(xid(1)), decision(xid(2)))
    await appended(log, end(xid(1)))
    const again = await closeAndReopen(log)
    expect(again.answer.unended.map((record) => record.xid)).toEqual([xid(2)])
    expect(await again.log.findTransaction(xid(1))).toEqual({
      record: decision(xid(1)),
      end: end(xid(1)),
      ...nothingBroken,
    })
    expect(await again.log.findTransaction(xid(2))).toEqual({ record: decision(xid(2)), ...nothingBroken })
  })

  test('what ended together has each its own end, and the others have none', async () => {
    const { log, xid } = await create()
    const sequences = [1, 2, 3, 900, 1_024, 1_025, 5_000]
    await appended(log, ...sequences.map((sequence) => decision(xid(sequence))))
    const ended = [5_000, 2, 1_025, 1, 1_024]
    await appended(log, ...ended.map((sequence) => end(xid(sequence), sequence)))
    const again = await crashAndReopen(log)
    expect(again.answer.unended.map((record) => record.xid)).toEqual([xid(3), xid(900)])
    for (const sequence of sequences) {
      const kept = await again.log.findTransaction(xid(sequence))
      expect(kept?.end).toEqual(ended.includes(sequence) ? end(xid(sequence), sequence) : undefined)
    }
  })
}

export function testKept(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
  test('unended decisions come oldest first, across epochs', async () => {
    const first = await create()
    await appended(first.log, decision(first.xid(7)), decision(first.xid(3)))
    const second = await crashAndReopen(first.log)
    await appended(second.log, decision(second.xid(1)))
    const third = await closeAndReopen(second.log)
    expect(third.answer.unended.map((record) => record.xid)).toEqual([
      first.xid(3),
      first.xid(7),
      second.xid(1),
    ])
  })

  test('an xid is found by its whole name only', async () => {
    const { log, xid, answer } = await create()
    await appended(log, decision(xid(1)))
    const other = `${answer.logId}.1-zzzz.1` as Xid
    expect(await log.findTransaction(other)).toBeUndefined()
    expect(await log.findTransaction(xid(2))).toBeUndefined()
  })

  test('a broken pledge stays, before and after the end', async () => {
    const { log, xid } = await create()
    await appended(log, decision(xid(1)), decision(xid(2)))
    await appended(log, heuristic(xid(1)), end(xid(1)), end(xid(2)))
    await appended(log, heuristic(xid(2)))
    const again = await crashAndReopen(log)
    expect(again.answer.heuristics).toEqual([heuristic(xid(1)), heuristic(xid(2))])
    expect(again.answer.unended).toEqual([])
    expect(await again.log.findTransaction(xid(2))).toEqual({
      record: decision(xid(2)),
      end: end(xid(2)),
      ...nothingBroken,
      heuristics: [heuristic(xid(2))],
    })
  })

  test('the newest record of each participant', async () => {
    const { log } = await create()
    await appended(log, participant('sink', 'one'), participant('offsets', 'two'))
    await appended(log, participant('sink', 'three'))
    const again = await closeAndReopen(log)
    expect(again.answer.participants).toHaveLength(2)
    expect(again.answer.participants).toContainEqual(participant('sink', 'three'))
    expect(again.answer.participants).toContainEqual(participant('offsets', 'two'))
  })
}

/** R17 and R11. */
export function testKeptForTheOpening(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
  test('what was handed to its participant is told until it is known how it ended', async () => {
    const { log, xid } = await create()
    await appended(log, onePhase(xid(1)), onePhase(xid(2)), onePhase(xid(3)))
    await appended(log, decision(xid(1)), end(xid(1)), aborted(xid(2)))
    const again = await crashAndReopen(log)
    expect(again.answer.handedOver).toEqual([onePhase(xid(3))])
    expect(again.answer.unended).toEqual([])
    expect(await again.log.findTransaction(xid(3))).toBeUndefined()
    const third = await closeAndReopen(again.log)
    expect(third.answer.handedOver).toEqual([onePhase(xid(3))])
  })

  test('that a newer copy exists is never forgotten', async () => {
    const { log } = await create()
    expect((await crashAndReopen(log)).answer.superseded).toBeUndefined()
    const { log: found } = await create()
    await appended(found, superseded())
    const again = await crashAndReopen(found)
    expect((await closeAndReopen(again.log)).answer.superseded).toEqual(superseded())
  })
}

export function testRequests(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
  test('every attempt of a request, oldest first, and of this caller only', async () => {
    const { log, xid } = await create()
    await appended(log, decision(xid(5), { request: 'r', attempt: 2 }))
    await appended(log, aborted(xid(4), { request: 'r', attempt: 1 }), decision(xid(6), { request: 's' }))
    const again = await crashAndReopen(log)
    expect(xidsIn(await again.log.findRequest('alice', 'r'))).toEqual([xid(4), xid(5)])
    expect(await again.log.findRequest('bob', 'r')).toEqual([])
    expect(await again.log.findRequest('alice', 'unheard')).toEqual([])
  })

  test('a look-up that begins after an append was answered has seen it', async () => {
    const { log, xid } = await create()
    for (let sequence = 1; sequence <= 50; sequence += 1) {
      const request = `r${sequence}`
      const looked = new Promise<readonly KeptTransaction[]>((resolve) => {
        log.append([decision(xid(sequence), { request })], () => resolve(log.findRequest('alice', request)))
      })
      expect(xidsIn(await looked)).toEqual([xid(sequence)])
      expect((await log.findTransaction(xid(sequence)))?.record.xid).toBe(xid(sequence))
    }
  })

  test('keepsRequests: where an ended transaction named one', async () => {
    const first = await create()
    await appended(
      first.log,
      decision(first.xid(1), { request: 'r' }),
      decision(first.xid(2)),
      end(first.xid(2)),
    )
    const second = await closeAndReopen(first.log)
    expect(second.answer.keepsRequests).toBe(false)
    await appended(second.log, end(first.xid(1)))
    const third = await closeAndReopen(second.log)
    expect(third.answer.keepsRequests).toBe(true)
    expect((await third.log.findRequest('alice', 'r'))[0]?.end).toEqual(end(first.xid(1)))
  })
}

export function testListing(create: Create): void {
  test('newest first, in pages, without what has not ended', async () => {
    const { log, xid } = await create()
    for (let sequence = 1; sequence <= 9; sequence += 1) await appended(log, decision(xid(sequence)))
    for (const sequence of [3, 1, 9, 2, 7, 6, 5]) await appended(log, end(xid(sequence)))
    const first = await log.listEnded({ pageSize: 3 })
    expect(xidsIn(first)).toEqual([xid(9), xid(7), xid(6)])
    const second = await log.listEnded({ pageSize: 3, before: placeOf(xid(6)) })
    expect(xidsIn(second)).toEqual([xid(5), xid(3), xid(2)])
    expect(xidsIn(await log.listEnded({ pageSize: 3, before: placeOf(xid(2)) }))).toEqual([xid(1)])
    expect(await log.listEnded({ pageSize: 3, before: placeOf(xid(1)) })).toEqual([])
  })

  test('by outcome and by participant', async () => {
    const { log, xid } = await create()
    await appended(log, decision(xid(1)), end(xid(1)), aborted(xid(2)))
    await appended(log, decision(xid(3), { readOnly: ['audit'] }), end(xid(3)))
    const list = async (query: object) => xidsIn(await log.listEnded({ pageSize: 10, ...query }))
    expect(await list({})).toEqual([xid(3), xid(2), xid(1)])
    expect(await list({ outcome: 'committed' })).toEqual([xid(3), xid(1)])
    expect(await list({ outcome: 'aborted' })).toEqual([xid(2)])
    expect(await list({ participant: 'audit' })).toEqual([xid(3)])
    expect(await list({ participant: 'sink', outcome: 'aborted' })).toEqual([xid(2)])
    expect(await list({ participant: 'nobody' })).toEqual([])
  })
}
