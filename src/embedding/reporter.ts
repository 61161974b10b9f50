/**
 * What a person should know, as log lines: participants that come and go (each event once a minute at most), a log
 * that failed, and broken pledges, which are told again at every start and at intervals until they are acknowledged.
 */
import type { Clock, Timers } from '../base/ports.ts'
import type { Notice } from '../coordinator/notices.ts'
import { HEURISTIC_REPEAT_MS, HEURISTICS_TOLD_MAX, NOTICE_REPEAT_MS } from './tuning.ts'

type Line = (facts: Readonly<Record<string, unknown>>, message: string) => void

/** Where the lines go: pino's loggers are of this shape, others are easily given it. */
export interface Logger {
  readonly debug: Line
  readonly info: Line
  readonly warn: Line
  readonly error: Line
  readonly fatal: Line
}

export interface ReporterOptions {
  readonly logger: Logger
  readonly clock: Clock
  readonly timers: Timers
}

type Level = 'info' | 'warn' | 'error'

/** How an event of a participant is told; what is not here is told at the level debug. */
const PARTICIPANT_EVENTS: Readonly<Record<string, { readonly level: Level; readonly message: string }>> = {
  link_up: { level: 'info', message: 'participant up' },
  link_down: { level: 'warn', message: 'participant down' },
  dial_failed: { level: 'warn', message: 'participant can not be started' },
  scan_failed: { level: 'warn', message: 'participant can not say what it holds prepared' },
  delivery_failed: { level: 'warn', message: 'participant did not take a decision' },
  impostor: { level: 'error', message: 'participant quarantined' },
}

interface Told {
  readonly atMs: number
  suppressed: number
}

type Heuristic = Pick<Extract<Notice, { type: 'heuristic' }>, 'xid' | 'participant' | 'message'>

export class Reporter {
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #told = new Map<string, Told>()
  readonly #heuristics = new Map<string, Heuristic>()
  #cancelRepeat: (() => void) | undefined
  #logFailed = false

  constructor({ logger, clock, timers }: ReporterOptions) {
    this.#logger = logger
    this.#clock = clock
    this.#timers = timers
  }

  notice(notice: Notice): void {
    switch (notice.type) {
      case 'participant':
        return this.participant(notice.name, notice.event, notice.reason)
      case 'heuristic':
        this.#addHeuristic(notice)
        return this.#tellHeuristic(notice)
      case 'log_failed':
        return this.logFailed(notice.reason)
      case 'superseded':
        return this.superseded(notice.reason)
      case 'audit':
        return this.#operated(notice)
    }
  }

  participant(name: string, event: string, reason: string): void {
    const { level, message } = PARTICIPANT_EVENTS[event] ?? { level: 'debug' as const, message: event }
    const key = `${name}/${event}`
    const told = this.#told.get(key)
    const nowMs = this.#clock.monotonicMs()
    if (told !== undefined && nowMs - told.atMs < NOTICE_REPEAT_MS) {
      told.suppressed += 1
      return
    }
    this.#told.set(key, { atMs: nowMs, suppressed: 0 })
    const facts = {
      participant: name,
      ...(reason === '' ? {} : { reason }),
      ...(told === undefined || told.suppressed === 0 ? {} : { not_told: told.suppressed }),
    }
    this.#logger[level](facts, message)
  }

  /** Every append that waited fails with it; it is told once. */
  logFailed(reason: string): void {
    if (this.#logFailed) return
    this.#logFailed = true
    this.#logger.fatal({ reason }, 'the log failed: nothing is decided until the daemon is started again')
  }

  /** R11. */
  superseded(reason: string): void {
    this.#logger.fatal(
      { reason },
      'this log is an old copy, or a clone: nothing is decided, and nothing presumed, from it',
    )
  }

  #operated({ action, subject, participant, who, why, result }: Extract<Notice, { type: 'audit' }>): void {
    if (action === 'acknowledge_transaction') this.#dropHeuristics(subject)
    const facts = {
      action,
      ...(subject === '' ? {} : { xid: subject }),
      ...(participant === '' ? {} : { participant }),
      who,
      why,
    }
    this.#logger.warn(facts, `an operator: ${result}`)
  }

  #dropHeuristics(acknowledged: string): void {
    for (const [key, { xid }] of this.#heuristics) if (xid === acknowledged) this.#heuristics.delete(key)
    if (this.#heuristics.size > 0) return
    this.#cancelRepeat?.()
    this.#cancelRepeat = undefined
  }

  /** Those that the log has kept from before. */
  heuristics(records: readonly Heuristic[]): void {
    for (const record of records) this.#addHeuristic(record)
    this.#tellHeuristics()
  }

  /** While it stops: it goes on, and the rest is closed. */
  closingFailed(reason: string): void {
    this.#logger.error({ reason }, 'a part of the coordinator did not close in order')
  }

  close(): void {
    this.#cancelRepeat?.()
  }

  #addHeuristic(heuristic: Heuristic): void {
    this.#heuristics.set(`${heuristic.xid}/${heuristic.participant}`, heuristic)
    this.#cancelRepeat ??= this.#timers.after(HEURISTIC_REPEAT_MS, () => this.#repeat())
  }

  #repeat(): void {
    this.#tellHeuristics()
    this.#cancelRepeat = this.#timers.after(HEURISTIC_REPEAT_MS, () => this.#repeat())
  }

  #tellHeuristics(): void {
    for (const heuristic of [...this.#heuristics.values()].slice(0, HEURISTICS_TOLD_MAX))
      this.#tellHeuristic(heuristic)
    const more = this.#heuristics.size - HEURISTICS_TOLD_MAX
    if (more > 0) this.#logger.error({ more }, 'there are more broken pledges: pledged tx list --heuristic')
  }

  #tellHeuristic({ xid, participant, message }: Heuristic): void {
    this.#logger.error(
      { xid, participant, reason: message },
      'a pledge was broken: this branch did not end as the transaction did, and a person has to look at it',
    )
  }
}
