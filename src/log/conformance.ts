/**
 * The log port's conformance suite: what every backend must hold, in tests that know nothing of any. A backend's
 * own test file calls `describeLog` with how its logs are made, reopened, and killed.
 */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { PledgedError } from '../base/errors.ts'
import type { Xid } from '../base/ids.ts'
import { compareXids, epochNumber, formatXid, isEpoch, isLogId } from '../base/ids.ts'
import type { KeptTransaction, LogRecord } from '../protocol/records.ts'
import type { Log, OpenedLog } from './log.ts'
import { OPEN_STAGES } from './log.ts'
import { aborted, decision, end, heuristic, onePhase, participant, superseded } from './sample-records.ts'
import { placeOf } from './stored-record.ts'

export interface LogBackend {
  /** A log on a place of its own, not opened. */
  create(): Log
  /** Another one on the place of a log that was closed. */
  reopen(log: Log): Log
  /** Another one on what a kill of its process would leave of an open log now. */
  crash(log: Log): Log
}

/** Appends, and waits for the answer. */
export function appended(log: Log, ...records: LogRecord[]): Promise<void> {
  return new Promise((resolve, reject) => {
    log.append(records, (failure) => (failure === undefined ? resolve() : reject(failure)))
  })
}

/** The failure of an append that is expected to fail. */
export function refused(log: Log, ...records: LogRecord[]): Promise<PledgedError | undefined> {
  return new Promise((resolve) => log.append(records, resolve))
}

export function xidsOf(opened: OpenedLog): (sequence: number) => Xid {
  return (sequence) => formatXid({ logId: opened.logId, epoch: opened.epoch, sequence })
}

export function describeLog(name: string, backend: LogBackend): void {
  const create = async () => opened(backend.create())
  const closeAndReopen = async (log: Log) => {
    await log.close()
    return opened(backend.reopen(log))
  }
  const crashAndReopen = async (log: Log) => opened(backend.crash(log))

  describe(`${name} is a log`, () => {
    describe('open', () => {
      testOpening(backend)
    })
    describe('append', () => {
      testAppending(create, closeAndReopen, crashAndReopen)
    })
    describe('what is kept', () => {
      testKept(create, closeAndReopen, crashAndReopen)
      testRequests(create, closeAndReopen, crashAndReopen)
    })
    describe('listEnded', () => {
      testListing(create)
    })
    describe('forget', () => {
      testExpiry(create)
      testForgetting(create, closeAndReopen, crashAndReopen)
      testForgettingAround(create, closeAndReopen, crashAndReopen)
    })
  })
}

interface Opened {
  readonly log: Log
  readonly answer: OpenedLog
  readonly xid: (sequence: number) => Xid
}
type Create = () => Promise<Opened>
type Again = (log: Log) => Promise<Opened>

async function opened(log: Log): Promise<Opened> {
  const answer = await log.open()
  onTestFinished(() => log.close())
  return { log, answer, xid: xidsOf(answer) }
}

function xidsIn(kept: readonly KeptTransaction[]): readonly Xid[] {
  return kept.map(({ record }) => record.xid)
}

function testOpening(backend: LogBackend): void {
  test('goes through its stages in order', async () => {
    const log = backend.create()
    const stages: string[] = []
    await log.open((stage) => stages.push(stage))
    onTestFinished(() => log.close())
    expect(stages).toEqual(OPEN_STAGES)
  })

  test('a fresh log holds nothing but its name and epoch', async () => {
    const { answer } = await opened(backend.create())
    expect(isLogId(answer.logId)).toBe(true)
    expect(isEpoch(answer.epoch)).toBe(true)
    expect(epochNumber(answer.epoch)).toBe(1)
    expect(answer).toMatchObject({ epochs: [answer.epoch], unended: [], heuristics: [], participants: [] })
    expect(answer.keepsRequests).toBe(false)
    expect(answer.forgottenThrough).toBeUndefined()
  })

  test('two fresh logs have different names', async () => {
    const [one, other] = [await opened(backend.create()), await opened(backend.create())]
    expect(one.answer.logId).not.toBe(other.answer.logId)
  })

  test('each opening keeps the name and raises the epoch, after a close and after a crash', async () => {
    const first = await opened(backend.create())
    await first.log.close()
    const second = await opened(backend.reopen(first.log))
    const third = await opened(backend.crash(second.log))
    expect([second.answer.logId, third.answer.logId]).toEqual([first.answer.logId, first.answer.logId])
    const epochs = [first, second, third].map(({ answer }) => answer.epoch)
    expect(epochs.map(epochNumber)).toEqual([1, 2, 3])
    expect(third.answer.epochs).toEqual(epochs)
  })
}

function testAppending(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
  test('never answers before it returns, and answers in the order of the calls', async () => {
    const { log, xid } = await create()
    const answers: number[] = []
    const all = [1, 2, 3, 4, 5].map(
      (call) =>
        new Promise<void>((resolve) => {
          log.append(call === 3 ? [] : [decision(xid(call))], (failure) => {
            expect(failure).toBeUndefined()
            answers.push(call)
            resolve()
          })
        }),
    )
    expect(answers).toEqual([])
    await Promise.all(all)
    expect(answers).toEqual([1, 2, 3, 4, 5])
  })

  test('counts records, and at most one forced write per call', async () => {
    const { log, xid } = await create()
    const before = log.counters()
    await Promise.all([1, 2, 3, 4].map((call) => appended(log, decision(xid(call)), end(xid(call)))))
    const { forcedWrites, records } = log.counters()
    expect(records - before.records).toBe(8)
    expect(forcedWrites - before.forcedWrites).toBeGreaterThanOrEqual(1)
    expect(forcedWrites - before.forcedWrites).toBeLessThanOrEqual(4)
  })

  test('an answered decision is there after a close and after a crash, as it was', async () => {
    const { log, xid } = await create()
    const record = decision(xid(1), { request: 'r1', readOnly: ['audit'], traceparent: '00-ab-cd-01' })
    await appended(log, record)
    const crashed = await crashAndReopen(log)
    expect(crashed.answer.unended).toEqual([record])
    const closed = await closeAndReopen(crashed.log)
    expect(closed.answer.unended).toEqual([record])
  })

  test('text is kept to the letter', async () => {
    const { log, xid } = await create()
    const message = 'línea\nbreak "quoted" \u0000 \u2028 \ud83d\ude00 \ud800'
    await appended(log, aborted(xid(1), { message }))
    const again = await crashAndReopen(log)
    expect((await again.log.findTransaction(xid(1)))?.record).toMatchObject({ message })
  })

  test('what is posted before close is durable when close answers', async () => {
    const { log, xid } = await create()
    const answers: unknown[] = []
    for (let sequence = 1; sequence <= 50; sequence += 1) {
      log.append([decision(xid(sequence))], (failure) => answers.push(failure))
    }
    const again = await closeAndReopen(log)
    expect(answers).toEqual(Array.from({ length: 50 }, () => undefined))
    expect(again.answer.unended).toHaveLength(50)
  })

  test('a closed log refuses', async () => {
    const { log, xid } = await create()
    await log.close()
    await log.close()
    expect(await refused(log, decision(xid(1)))).toMatchObject({ code: 'LOG_UNWRITABLE' })
  })
}

function testKept(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
  test('an ended decision is not unended any more, and is found with its end', async () => {
    const { log, xid } = await create()
    await appended(log, decision(xid(1)), decision(xid(2)))
    await appended(log, end(xid(1)))
    const again = await closeAndReopen(log)
    expect(again.answer.unended.map((record) => record.xid)).toEqual([xid(2)])
    expect(await again.log.findTransaction(xid(1))).toEqual({
      record: decision(xid(1)),
      end: end(xid(1)),
      heuristics: [],
    })
    expect(await again.log.findTransaction(xid(2))).toEqual({ record: decision(xid(2)), heuristics: [] })
  })

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

function testRequests(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
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

function testListing(create: Create): void {
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

function testExpiry(create: Create): void {
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

function testForgetting(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
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

function testForgettingAround(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
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
      expect(await log.findTransaction(stuck.xid)).toEqual({ record: stuck, heuristics: [] })
      expect(xidsIn(await log.findRequest('alice', 'stuck'))).toEqual([stuck.xid])
    }
  })
}
