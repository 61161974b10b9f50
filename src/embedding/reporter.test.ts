import { beforeEach, describe, expect, it } from 'vitest'
import { type Logger, Reporter } from './reporter.ts'
import { HEURISTIC_REPEAT_MS, HEURISTICS_TOLD_MAX, NOTICE_REPEAT_MS } from './tuning.ts'

let nowMs: number
let timers: { readonly atMs: number; readonly fire: () => void }[]
let lines: Record<string, unknown>[]
let reporter: Reporter

beforeEach(() => {
  nowMs = 0
  timers = []
  lines = []
  const at =
    (level: string): Logger['info'] =>
    (facts, message) =>
      lines.push({ level, ...facts, message })
  reporter = new Reporter({
    logger: {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      fatal: at('fatal'),
    },
    clock: { monotonicMs: () => nowMs, wallMs: () => nowMs },
    timers: {
      after: (delayMs, fire) => {
        const timer = { atMs: nowMs + delayMs, fire }
        timers.push(timer)
        return () => (timers = timers.filter((other) => other !== timer))
      },
      soon: (run) => run(),
    },
  })
})

function advance(byMs: number): void {
  nowMs += byMs
  for (const timer of timers.filter(({ atMs }) => atMs <= nowMs)) {
    timers = timers.filter((other) => other !== timer)
    timer.fire()
  }
}

const levels = () => lines.map(({ level }) => level)

describe('events of a participant', () => {
  it('are told once a minute each, with the number of times that they were not', () => {
    for (let index = 0; index < 5; index += 1) {
      reporter.participant('sink', 'link_down', 'gone')
      reporter.participant('sink', 'link_up', '')
    }
    reporter.participant('offsets', 'link_down', 'gone')
    expect(lines).toHaveLength(3)
    advance(NOTICE_REPEAT_MS)
    reporter.participant('sink', 'link_down', 'gone again')
    expect(lines.at(-1)).toMatchObject({ participant: 'sink', reason: 'gone again', not_told: 4 })
    advance(NOTICE_REPEAT_MS)
    reporter.participant('sink', 'link_down', 'gone again')
    expect(lines.at(-1)).not.toHaveProperty('not_told')
  })

  it('have a level by how bad they are', () => {
    for (const event of ['link_up', 'link_down', 'impostor', 'something_new']) {
      reporter.participant('sink', event, '')
    }
    expect(levels()).toEqual(['info', 'warn', 'error', 'debug'])
  })
})

describe('a log that failed', () => {
  it('is told once, however many appends fail with it', () => {
    for (let index = 0; index < 3; index += 1) reporter.notice({ type: 'log_failed', reason: 'no space' })
    expect(levels()).toEqual(['fatal'])
    expect(lines[0]).toMatchObject({ reason: 'no space' })
  })
})

describe('broken pledges', () => {
  const broken = (sequence: number) =>
    ({ type: 'heuristic', xid: `l.e.${sequence}`, participant: 'sink', message: 'by hand' }) as const

  it('are told as errors when they happen, and again and again', () => {
    reporter.notice(broken(1))
    reporter.notice(broken(2))
    expect(levels()).toEqual(['error', 'error'])
    advance(HEURISTIC_REPEAT_MS)
    advance(HEURISTIC_REPEAT_MS)
    expect(lines.map(({ xid }) => xid)).toEqual(['l.e.1', 'l.e.2', 'l.e.1', 'l.e.2', 'l.e.1', 'l.e.2'])
    expect(lines[0]).toMatchObject({ participant: 'sink', reason: 'by hand' })
  })

  it('of earlier starts are told at this one; beyond the first ones they are counted', () => {
    reporter.heuristics(Array.from({ length: HEURISTICS_TOLD_MAX + 7 }, (_, index) => broken(index + 1)))
    expect(lines).toHaveLength(HEURISTICS_TOLD_MAX + 1)
    expect(lines.at(-1)).toMatchObject({ more: 7 })
    advance(HEURISTIC_REPEAT_MS)
    expect(lines).toHaveLength(2 * (HEURISTICS_TOLD_MAX + 1))
  })

  it('are told no more once they are acknowledged', () => {
    const acknowledge = (subject: string) =>
      reporter.notice({
        type: 'audit',
        action: 'acknowledge_transaction',
        subject,
        participant: '',
        who: 'ops',
        why: 'mended by hand',
        result: 'acknowledged',
        timeMs: 0,
      })
    reporter.notice(broken(1))
    reporter.notice(broken(2))
    acknowledge('l.e.1')
    expect(lines.at(-1)).toMatchObject({ xid: 'l.e.1', who: 'ops', why: 'mended by hand' })
    advance(HEURISTIC_REPEAT_MS)
    expect(lines.at(-1)).toMatchObject({ xid: 'l.e.2' })
    expect(lines).toHaveLength(4)
    acknowledge('l.e.2')
    expect(timers).toEqual([])
  })

  it('are no reason for a timer where there are none, and for none after the end', () => {
    reporter.heuristics([])
    expect(timers).toEqual([])
    reporter.notice(broken(1))
    reporter.close()
    expect(timers).toEqual([])
  })
})
