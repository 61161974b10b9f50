/**
 * What has happened outside, in order, until its turn. A turn takes so many events at the most: where many come at once, those
 * who take part work on the first of them while the coordinator handles the next, and nobody waits for the last.
 */
import type { Limits } from '../base/limits.ts'
import type { Timers } from '../base/ports.ts'
import type { SendEffect } from '../protocol/effects.ts'
import type { Event } from '../protocol/events.ts'

/** An event, and what leaves only after it. */
export interface Queued {
  readonly event: Event
  readonly then: readonly SendEffect[]
}

export interface TurnQueueOptions {
  readonly timers: Timers
  readonly limits: Pick<Limits, 'turnEventsMax'>
  readonly turn: (queued: readonly Queued[]) => void
}

export class TurnQueue {
  readonly #options: TurnQueueOptions
  #waiting: Queued[] = []
  #scheduled = false
  #stopped = false

  constructor(options: TurnQueueOptions) {
    this.#options = options
  }

  post(event: Event, then: readonly SendEffect[] = NOTHING): void {
    this.#waiting.push({ event, then })
    this.#schedule()
  }

  stop(): void {
    this.#stopped = true
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped || this.#waiting.length === 0) return
    this.#scheduled = true
    this.#options.timers.soon(() => this.#turn())
  }

  #turn(): void {
    this.#scheduled = false
    if (this.#stopped) return
    this.#options.turn(this.#take())
    this.#schedule()
  }

  #take(): Queued[] {
    const { turnEventsMax } = this.#options.limits
    const taken = this.#waiting
    this.#waiting = taken.length > turnEventsMax ? taken.splice(turnEventsMax) : []
    return taken
  }
}

const NOTHING: readonly SendEffect[] = []
