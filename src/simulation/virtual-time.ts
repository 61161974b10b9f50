/**
 * Virtual time: a heap of events, run one after another; the clock jumps from one to the next. After each event
 * all promises that it settled are followed to their end, so that the order of everything is the heap's.
 */
import { assert } from '../base/assert.ts'
import type { Clock, Timers } from '../base/ports.ts'

interface Scheduled {
  readonly atMs: number
  /** Events of one time run in the order in which they were scheduled. */
  readonly order: number
  readonly process: Process | undefined
  run: (() => void) | undefined
}

const STARTED_MS = Date.UTC(2026, 0, 1)

export class VirtualTime {
  readonly #heap: Scheduled[] = []
  #order = 0
  #nowMs = 0

  get nowMs(): number {
    return this.#nowMs
  }

  /** As a clock shows it that never errs. */
  get wallMs(): number {
    return STARTED_MS + this.#nowMs
  }

  /** What belongs to a process does not happen once the process has died. Returns how to cancel it. */
  after(delayMs: number, run: () => void, process?: Process): () => void {
    assert(delayMs >= 0, `nothing is scheduled in the past: ${delayMs}`)
    const scheduled: Scheduled = { atMs: this.#nowMs + delayMs, order: this.#order, process, run }
    this.#order += 1
    push(this.#heap, scheduled)
    return () => {
      scheduled.run = undefined
    }
  }

  /** Runs events until `untilMs`, or until `done`, which is asked after each. */
  run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        try {
          if (!done() && this.#runNext(untilMs)) afterPromises(turn)
          else resolve()
        } catch (error) {
          reject(error)
        }
      }
      afterPromises(turn)
    })
  }

  /** False: there is none until then, and that time has come. */
  #runNext(untilMs: number): boolean {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs)
        return false
      }
      pop(this.#heap)
      if (next.run === undefined || next.process?.alive === false) continue
      assert(next.atMs >= this.#nowMs, 'time does not go back')
      this.#nowMs = next.atMs
      if (next.process !== undefined && next.process.pausedUntilMs > this.#nowMs) {
        this.#postpone(next, next.process.pausedUntilMs)
        continue
      }
      next.run()
      return true
    }
  }

  #postpone(scheduled: Scheduled, atMs: number): void {
    // The entry is replaced, so the function that cancels it has to reach the new one.
    const { process, run } = scheduled
    const later: Scheduled = {
      atMs,
      order: this.#order,
      process,
      run: () => (scheduled.run === undefined ? undefined : run?.()),
    }
    this.#order += 1
    push(this.#heap, later)
  }
}

/**
 * Every promise that can settle has settled when the next immediate runs. Immediates are set up many at a time: those
 * of one turn of the real event loop follow one another, with the promises between them, and a turn costs more than
 * most of our events.
 */
function afterPromises(turn: () => void): void {
  waiting.push(turn)
  if (immediates > 0) return
  immediates = IMMEDIATES_PER_TURN
  for (let index = 0; index < IMMEDIATES_PER_TURN; index += 1) setImmediate(next)
}

const IMMEDIATES_PER_TURN = 128
const waiting: (() => void)[] = []
let immediates = 0

function next(): void {
  immediates -= 1
  waiting.shift()?.()
}

/** The clocks of one machine: they run at a rate of their own, and what they show of the time of day jumps. */
export class Machine {
  readonly #time: VirtualTime
  readonly rate: number
  #offsetMs = 0

  constructor(time: VirtualTime, rate: number) {
    this.#time = time
    this.rate = rate
  }

  /** Since the beginning of the history. */
  get elapsedMs(): number {
    return this.#time.nowMs * this.rate
  }

  get wallMs(): number {
    return this.#time.wallMs + this.#time.nowMs * (this.rate - 1) + this.#offsetMs
  }

  jump(byMs: number): void {
    this.#offsetMs += byMs
  }
}

/** One life of one party. What it scheduled dies with it; while it is paused, it waits. */
export class Process {
  readonly #time: VirtualTime
  readonly #machine: Machine
  readonly #originMs: number
  #alive = true
  #pausedUntilMs = 0

  /** `originMs` is what its monotonic clock shows at its start: the clocks of two lives don't compare. */
  constructor(time: VirtualTime, machine: Machine, originMs: number) {
    this.#time = time
    this.#machine = machine
    this.#originMs = originMs - machine.elapsedMs
  }

  get alive(): boolean {
    return this.#alive
  }

  get pausedUntilMs(): number {
    return this.#pausedUntilMs
  }

  kill(): void {
    this.#alive = false
  }

  pause(forMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#time.nowMs + forMs)
  }

  /** By true time: what comes from outside. */
  after(delayMs: number, run: () => void): () => void {
    return this.#time.after(delayMs, run, this)
  }

  get clock(): Clock {
    return {
      monotonicMs: () => this.#machine.elapsedMs + this.#originMs,
      wallMs: () => this.#machine.wallMs,
    }
  }

  /** By its machine's clock. */
  get timers(): Timers {
    return {
      after: (delayMs, fire) => this.after(delayMs / this.#machine.rate, fire),
      soon: (run) => {
        this.after(0, run)
      },
    }
  }
}

function precedes(left: Scheduled, right: Scheduled): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order)
}

function push(heap: Scheduled[], scheduled: Scheduled): void {
  let index = heap.length
  heap.push(scheduled)
  while (index > 0) {
    const parentIndex = (index - 1) >> 1
    const parent = heap[parentIndex] as Scheduled
    if (!precedes(scheduled, parent)) break
    heap[index] = parent
    index = parentIndex
  }
  heap[index] = scheduled
}

function pop(heap: Scheduled[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let index = 0
  for (;;) {
    let childIndex = index * 2 + 1
    if (childIndex >= heap.length) break
    const right = heap[childIndex + 1]
    if (right !== undefined && precedes(right, heap[childIndex] as Scheduled)) childIndex += 1
    const child = heap[childIndex] as Scheduled
    if (!precedes(child, last)) break
    heap[index] = child
    index = childIndex
  }
  heap[index] = last
}
