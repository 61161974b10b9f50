import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Epoch, LogId, Xid } from '../../base/ids.ts'
import { formatXid } from '../../base/ids.ts'
import type { LogRecord } from '../../protocol/records.ts'
import { appended } from '../conformance/index.ts'
import type { OpenedLog } from '../log.ts'
import { MemoryDisk } from '../memory/memory-disk.ts'
import { MemoryLog } from '../memory/memory-log.ts'
import { aborted, decision, end, heuristic, participant } from '../sample-records.ts'
import { placeOf } from '../stored-record.ts'
import { checkRecords } from './background-check.ts'
import { dumpLog } from './dump.ts'
import type { Engine } from './engine.ts'
import { expired, findRequest, findTransaction, listEnded } from './reader.ts'
import { openIn, place, write } from './test-places.ts'
import { smallTuning } from './test-tuning.ts'
import { verifyLog } from './verify.ts'

function run<Answer>(steps: Generator<void, Answer>): Answer {
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

function xid(sequence: number): Xid {
  return formatXid({ logId: 'k3f9qa7m2xw4' as LogId, epoch: '1-q3f9' as Epoch, sequence })
}

describe('what an opening reads stays short', () => {
  test('with transactions that end, and one that never does', () => {
    const directory = place()
    const { engine } = openIn(directory)
    write(engine, decision(xid(1_000)), participant('sink', 'one'))
    for (let sequence = 1; sequence <= 300; sequence += 1) {
      write(engine, decision(xid(sequence)), end(xid(sequence)))
      expect(engine.tail.position - engine.replay.position).toBeLessThanOrEqual(40)
    }
    run(checkRecords(engine))
    engine.close()
    expect(verifyLog(directory)).toMatchObject({ problems: [], unended: 1, participants: 1 })
  })
})

test('a log that is closed with much to carry forward opens again', () => {
  const directory = place()
  const first = openIn(directory)
  write(first.engine, ...Array.from({ length: 200 }, (_, index) => decision(xid(index + 1))))
  first.engine.close()
  const second = openIn(directory)
  expect(second.opened.unended).toHaveLength(200)
  second.engine.close()
  expect(verifyLog(directory).problems).toEqual([])
})

describe('ends that were told together', () => {
  test('are one record, and each is found and shown by its own xid', () => {
    const directory = place()
    const { engine } = openIn(directory)
    const ended = [9, 3, 4, 1, 12]
    write(engine, ...ended.map((number) => decision(xid(number))))
    const before = engine.tail.position
    write(engine, ...ended.map((number) => end(xid(number), number)))
    expect(engine.tail.position).toBe(before + 1)
    for (const number of ended)
      expect(findTransaction(engine, xid(number))?.end).toEqual(end(xid(number), number))
    engine.close()
    const ends = [...dumpLog(directory)].filter(({ record }) => record?.type === 'end')
    expect(ends).toEqual(
      [1, 3, 4, 9, 12].map((number) => ({ position: before + 1, record: end(xid(number), number) })),
    )
    expect(verifyLog(directory)).toMatchObject({ problems: [], unended: 0 })
  })

  test('stay until all of them are forgotten', () => {
    const directory = place()
    const { engine } = openIn(directory)
    write(engine, decision(xid(1)), decision(xid(9)))
    write(engine, end(xid(1)), end(xid(9)))
    for (let number = 20; number <= 60; number += 1) write(engine, decision(xid(number)), end(xid(number)))
    engine.forget(placeOf(xid(5)))
    while (engine.purgeSlice());
    expect(findTransaction(engine, xid(1))).toBeUndefined()
    expect(findTransaction(engine, xid(9))?.end).toEqual(end(xid(9)))
    engine.forget(placeOf(xid(50)))
    while (engine.purgeSlice());
    expect(findTransaction(engine, xid(9))).toBeUndefined()
    run(checkRecords(engine))
    engine.close()
    expect(verifyLog(directory).problems).toEqual([])
  })

  test('are carried forward one by one, with the broken pledge that keeps it', () => {
    const directory = place()
    const { engine } = openIn(directory)
    write(engine, decision(xid(1)), decision(xid(2)), heuristic(xid(2)))
    write(engine, end(xid(1)), end(xid(2)))
    for (let number = 3; number <= 300; number += 1) write(engine, decision(xid(number)), end(xid(number)))
    engine.forget(placeOf(xid(290)))
    while (engine.purgeSlice());
    engine.close()
    const left = [...dumpLog(directory)].map(({ record }) => record)
    expect(left.filter((record) => record?.type === 'end' && record.xid === xid(2))).toEqual([end(xid(2))])
    expect(left.some((record) => record !== undefined && 'xid' in record && record.xid === xid(1))).toBe(
      false,
    )
    expect(verifyLog(directory)).toMatchObject({ problems: [], heuristics: 1 })
  })
})

describe('a purge', () => {
  test('drops from the file what was forgotten, in slices, and nothing else', () => {
    const directory = place()
    const { engine } = openIn(directory)
    write(
      engine,
      decision(xid(1)),
      heuristic(xid(1)),
      end(xid(1)),
      decision(xid(2)),
      participant('sink', 'one'),
    )
    for (let sequence = 3; sequence <= 300; sequence += 1) {
      write(engine, decision(xid(sequence), { request: `r${sequence}` }), end(xid(sequence)))
    }
    const before = engine.anchor.position
    expect(engine.forget(placeOf(xid(200)))).toBe(true)
    expect(engine.forget(placeOf(xid(150)))).toBe(false)
    expect(engine.purgeSlice()).toBe(true)
    expect(engine.anchor.position - before).toBe(smallTuning.sliceRecords)
    while (engine.purgeSlice());
    engine.close()
    const left = [...dumpLog(directory)]
    expect(left.filter(({ problem }) => problem !== undefined)).toEqual([])
    const xids = new Set(
      left.map(({ record }) => (record !== undefined && 'xid' in record ? record.xid : '')),
    )
    expect(xids.has(xid(1)) && xids.has(xid(2)) && xids.has(xid(201)) && xids.has(xid(300))).toBe(true)
    for (let sequence = 3; sequence <= 200; sequence += 1) expect(xids.has(xid(sequence))).toBe(false)

    const again = openIn(directory)
    expect(again.opened).toMatchObject({ unended: [decision(xid(2))], heuristics: [heuristic(xid(1))] })
    expect(again.opened.participants).toEqual([participant('sink', 'one')])
    expect(findTransaction(again.engine, xid(1))).toMatchObject({
      record: decision(xid(1)),
      end: end(xid(1)),
    })
    run(checkRecords(again.engine))
    again.engine.close()
    expect(verifyLog(directory).problems).toEqual([])
  })

  test('goes on where a kill stopped it, and the background check with it', () => {
    const directory = place()
    const { engine } = openIn(directory)
    for (let sequence = 1; sequence <= 200; sequence += 1)
      write(engine, decision(xid(sequence)), end(xid(sequence)))
    engine.forget(placeOf(xid(180)))
    engine.purgeSlice()
    engine.abandon()
    const again = openIn(directory)
    const check = checkRecords(again.engine)
    while (again.engine.purgeSlice()) check.next()
    run(check)
    again.engine.close()
    expect([...dumpLog(directory)].length).toBeLessThan(100)
  })
})

/** What a caller does to a log. */
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('decide' as const), sequence: fc.integer({ min: 1, max: 60 }) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('end' as const), sequence: fc.integer({ min: 1, max: 60 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('end_others' as const),
      sequence: fc.integer({ min: 1, max: 60 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('abort' as const), sequence: fc.integer({ min: 1, max: 60 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('break' as const), sequence: fc.integer({ min: 1, max: 60 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('enlist' as const), sequence: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('forget' as const), sequence: fc.integer({ min: 1, max: 60 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), sequence: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), sequence: fc.constant(0) }) },
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

/**
 * A caller decides once, ends only what it decided, and hears of no broken pledge once a transaction is forgotten
 * (R9): what else it asked for comes to nothing.
 */
class Caller {
  readonly #state = new Map<number, 'decided' | 'ended'>()
  readonly #broken = new Set<number>()
  #forgottenThrough = 0

  records({ do: verb, sequence }: Step): readonly LogRecord[] {
    const state = this.#state.get(sequence)
    const request = { request: `r${sequence % 7}`, attempt: sequence }
    switch (verb) {
      case 'decide':
        if (state !== undefined) return []
        this.#state.set(sequence, 'decided')
        return [decision(xid(sequence), request)]
      case 'end':
        if (state !== 'decided') return []
        this.#state.set(sequence, 'ended')
        return [end(xid(sequence), sequence * 10)]
      case 'end_others':
        return [...this.#state.keys()].flatMap((other) =>
          other === sequence ? [] : this.records({ do: 'end', sequence: other }),
        )
      case 'abort':
        if (state !== undefined) return []
        this.#state.set(sequence, 'ended')
        return [aborted(xid(sequence), request)]
      case 'break':
        if (state === undefined || this.#isForgotten(sequence)) return []
        this.#broken.add(sequence)
        return [heuristic(xid(sequence))]
      case 'forget':
        this.#forgottenThrough = Math.max(this.#forgottenThrough, sequence)
        return []
      case 'enlist':
        return [participant(`p${sequence}`, `resource ${sequence}`)]
      default:
        return []
    }
  }

  #isForgotten(sequence: number): boolean {
    const hasEnded = this.#state.get(sequence) === 'ended'
    return hasEnded && !this.#broken.has(sequence) && sequence <= this.#forgottenThrough
  }
}

/** All that a log answers, without the names that are drawn. */
function summary(opened: OpenedLog): object {
  const { unended, heuristics, participants, forgottenThrough, keepsRequests, epochs } = opened
  const sorted = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).sort()
  return {
    unended,
    heuristics: sorted(heuristics),
    participants: sorted(participants),
    forgottenThrough,
    keepsRequests,
    openings: epochs.length,
  }
}

async function expectSameAnswers(engine: Engine, model: MemoryLog): Promise<void> {
  const expectSame = async (actual: unknown, expected: Promise<unknown>) =>
    expect(actual).toEqual(await expected)
  for (let sequence = 1; sequence <= 60; sequence += 1) {
    await expectSame(findTransaction(engine, xid(sequence)), model.findTransaction(xid(sequence)))
  }
  for (let request = 0; request < 7; request += 1) {
    await expectSame(findRequest(engine, 'alice', `r${request}`), model.findRequest('alice', `r${request}`))
  }
  for (const query of [{ pageSize: 100 }, { pageSize: 3 }, { pageSize: 9, outcome: 'aborted' as const }]) {
    await expectSame(run(listEnded(engine, query)), model.listEnded(query))
  }
  await expectSame(run(expired(engine, 301)), model.expired(301))
}

test('whatever is done to it, it answers as the memory log does', { timeout: 120_000 }, async () => {
  const history = fc.array(step, { minLength: 20, maxLength: 250 })
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      const directory = place()
      const disk = new MemoryDisk()
      let { engine, opened } = openIn(directory, { synchronousNormal: true })
      let model = new MemoryLog({ disk })
      expect(summary(opened)).toEqual(summary(await model.open()))
      const caller = new Caller()
      for (const next of [...steps, { do: 'close', sequence: 0 } as const]) {
        const records = caller.records(next)
        write(engine, ...records)
        await appended(model, ...records)
        if (next.do === 'forget') {
          engine.forget(placeOf(xid(next.sequence)))
          await model.forget(placeOf(xid(next.sequence)))
          engine.purgeSlice()
        } else if (next.do === 'kill' || next.do === 'close') {
          await expectSameAnswers(engine, model)
          run(checkRecords(engine))
          if (next.do === 'kill') engine.abandon()
          else engine.close()
          ;({ engine, opened } = openIn(directory, { synchronousNormal: true }))
          model = new MemoryLog({ disk })
          expect(summary(opened)).toEqual(summary(await model.open()))
          await expectSameAnswers(engine, model)
        }
      }
      engine.close()
    }),
    { numRuns: 25 },
  )
})
