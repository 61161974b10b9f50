/** Opening, and what an answered append means. */
import { expect, onTestFinished, test } from 'vitest'
import { epochNumber, isEpoch, isLogId } from '../../base/ids.ts'
import { OPEN_STAGES } from '../log.ts'
import { aborted, decision, end } from '../sample-records.ts'
import { type Again, appended, type Create, type LogBackend, opened, refused } from './bench.ts'

export function testOpening(backend: LogBackend): void {
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

export function testAppending(create: Create, closeAndReopen: Again, crashAndReopen: Again): void {
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
