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

export class VirtualTime {
  readonly #heap: Scheduled[] = []
  #order = 0
  #nowMs = 0
  #wallOffsetMs = Date.UTC(2026, 0, 1)

  get nowMs(): number {
    return this.#nowMs
  }

  get wallMs(): number {
    return this.#wallOffsetMs + this.#nowMs
  }

  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs
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
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    while (!done()) {
      const next = this.#heap[0]
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs)
        return
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
      await settled()
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

/** Every promise that can settle has settled when the next turn of the real event loop begins. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** One life of one party. What it scheduled dies with it; while it is paused, it waits. */
export class Process {
  readonly #time: VirtualTime
  readonly #originMs: number
  #alive = true
  #pausedUntilMs = 0

  /** `originMs` is what its monotonic clock shows at its start: the clocks of two lives don't compare. */
  constructor(time: VirtualTime, originMs: number) {
    this.#time = time
    this.#originMs = originMs - time.nowMs
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

  after(delayMs: number, run: () => void): () => void {
    return this.#time.after(delayMs, run, this)
  }

  get clock(): Clock {
    return {
      monotonicMs: () => this.#time.nowMs + this.#originMs,
      wallMs: () => this.#time.wallMs,
    }
  }

  get timers(): Timers {
    return {
      after: (delayMs, fire) => this.after(delayMs, fire),
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
