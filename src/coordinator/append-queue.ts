/**
 * Group commit: one batch is being forced, the next gathers meanwhile. A forced append starts a batch as soon as
 * none is under way; lazy ones ride along, or go after a short time of their own. Answers come in order.
 */
import type { CrashPoint, CrashPoints } from '../base/crash-points.ts'
import type { PledgedError } from '../base/errors.ts'
import type { Limits } from '../base/limits.ts'
import type { Timers } from '../base/ports.ts'
import type { Log } from '../log/log.ts'
import type { AppendEffect } from '../protocol/effects.ts'

export interface AppendQueueOptions {
  readonly log: Log
  readonly timers: Timers
  readonly limits: Limits
  readonly crashPoints: CrashPoints
  /** One batch is on stable storage, or failed as a whole. */
  readonly answered: (batch: readonly AppendEffect[], failure: PledgedError | undefined) => void
}

export class AppendQueue {
  readonly #options: AppendQueueOptions
  #waiting: AppendEffect[] = []
  #forcedWaiting = false
  #underWay = false
  #cancelLazy: (() => void) | undefined
  #closed = false

  constructor(options: AppendQueueOptions) {
    this.#options = options
  }

  add(effect: AppendEffect): void {
    this.#waiting.push(effect)
    this.#forcedWaiting ||= effect.forced
  }

  /** Called once at the end of each turn. */
  flush(): void {
    if (this.#underWay || this.#closed || this.#waiting.length === 0) return
    if (this.#forcedWaiting) {
      this.#post()
      return
    }
    this.#cancelLazy ??= this.#options.timers.after(this.#options.limits.lazyAppendDelayMs, () => {
      this.#cancelLazy = undefined
      if (!this.#underWay) this.#post()
    })
  }

  /** Nothing is posted any more. */
  close(): void {
    this.#closed = true
    this.#cancelLazy?.()
  }

  #post(): void {
    if (this.#closed || this.#waiting.length === 0) return
    this.#cancelLazy?.()
    this.#cancelLazy = undefined
    const batch = this.#take()
    const { log, crashPoints } = this.#options
    const kinds = kindsOf(batch)
    if (kinds.has('decision')) crashPoints.pass('coordinator.append.before-post')
    this.#underWay = true
    log.append(
      batch.flatMap((effect) => effect.records),
      (failure) => this.#answered(batch, failure),
    )
    for (const kind of kinds) crashPoints.pass(POSTED[kind])
  }

  #take(): AppendEffect[] {
    const max = this.#options.limits.appendBatchRecordsMax
    const batch = this.#waiting.slice(0, max)
    this.#waiting = this.#waiting.slice(max)
    this.#forcedWaiting = this.#waiting.some((effect) => effect.forced)
    return batch
  }

  #answered(batch: readonly AppendEffect[], failure: PledgedError | undefined): void {
    this.#underWay = false
    if (failure === undefined) {
      for (const kind of kindsOf(batch)) this.#options.crashPoints.pass(DURABLE[kind])
    }
    this.#options.answered(batch, failure)
    this.flush()
  }
}

type Kind = 'decision' | 'operator' | 'end'

const POSTED = {
  decision: 'coordinator.append.posted',
  operator: 'coordinator.operator.posted',
  end: 'coordinator.end.posted',
} as const satisfies Record<Kind, CrashPoint>

const DURABLE = {
  decision: 'coordinator.append.durable',
  operator: 'coordinator.operator.durable',
  end: 'coordinator.end.durable',
} as const satisfies Record<Kind, CrashPoint>

/** Those that have crash points. What is handed over for one phase (R17) is decided as far as the coordinator can. */
function kindsOf(batch: readonly AppendEffect[]): ReadonlySet<Kind> {
  const kinds = new Set<Kind>()
  for (const { token } of batch) {
    if (token.of === 'decision' || token.of === 'one_phase') kinds.add('decision')
    if (token.of === 'operator' || token.of === 'end') kinds.add(token.of)
  }
  return kinds
}
