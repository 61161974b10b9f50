/**
 * The coordinator: the one place that has side effects, in order. Whatever happens outside is queued as an
 * event; a turn takes what is queued, up to a bound, steps the core, carries out the effects, and flushes: records to
 * the log as one batch, messages to each participant as one batch. Nothing acts on an outside event at once.
 */
import type { CrashPoints } from '../base/crash-points.ts'
import { noCrashPoints } from '../base/crash-points.ts'
import { PledgedError } from '../base/errors.ts'
import type { Limits } from '../base/limits.ts'
import type { Clock, Random, Timers } from '../base/ports.ts'
import type { Log } from '../log/log.ts'
import type { AppendEffect, Effect } from '../protocol/effects.ts'
import type { Event, Now } from '../protocol/events.ts'
import type { ParticipantMessage } from '../protocol/messages.ts'
import type { AuditRecord } from '../protocol/records.ts'
import { replay } from '../protocol/replay.ts'
import type {
  AbortRequest,
  Answer,
  BeginRequest,
  CommitRequest,
  ExecuteRequest,
  GetRequest,
  Session,
  SessionApi,
  SessionOptions,
  TransactionApi,
} from '../protocol/requests.ts'
import type { ProtocolState } from '../protocol/state.ts'
import type { Step } from '../protocol/step.ts'
import { step } from '../protocol/step.ts'
import type { BootState } from '../recovery/index.ts'
import { Boot } from '../recovery/index.ts'
import type { Dialer, Link, LinkListener } from '../transport/link.ts'
import { AppendQueue, type AppendQueueOptions } from './append-queue.ts'
import { type CallerAnswer, Callers } from './callers.ts'
import { Comparisons } from './comparison.ts'
import { CrashPasses } from './crash-passes.ts'
import { digestOf } from './digest.ts'
import { Drain } from './drain.ts'
import { listTransactions, statusOf } from './inspection.ts'
import { LinkTable } from './link-table.ts'
import { Lookups } from './lookups.ts'
import { type Notice, Notices } from './notices.ts'
import { Recoveries } from './recoveries.ts'
import { Retention } from './retention.ts'
import { Sessions } from './sessions.ts'
import { Ticker } from './ticker.ts'
import { type Queued, TurnQueue } from './turn-queue.ts'
import type {
  Comparison,
  CoordinatorInspection,
  DrainReport,
  OperatorApi,
  OperatorOrder,
  StatusView,
  TransactionPage,
  TransactionQuery,
} from './views.ts'

export interface CoordinatorOptions {
  readonly log: Log
  readonly limits: Limits
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Participants that the coordinator dials; others dial in. */
  readonly dialers: readonly Dialer[]
  readonly crashPoints?: CrashPoints | undefined
  /** What an operator should see in the daemon's log. */
  readonly notice?: ((notice: Notice) => void) | undefined
  /** The core; the simulator puts broken ones in its place. */
  readonly step?: Step | undefined
}

export class Coordinator
  implements TransactionApi, SessionApi, LinkListener, CoordinatorInspection, OperatorApi
{
  readonly #options: CoordinatorOptions
  readonly #step: Step
  readonly #boot = new Boot()
  readonly #appends: AppendQueue
  readonly #links: LinkTable
  readonly #recoveries: Recoveries
  readonly #retention: Retention
  readonly #callers = new Callers()
  readonly #lookups: Lookups
  readonly #comparisons: Comparisons
  readonly #notices: Notices
  readonly #passes: CrashPasses
  readonly #sessions: Sessions
  readonly #drain: Drain
  readonly #ticker: Ticker
  readonly #turns: TurnQueue
  readonly #startedMs: number
  #state: ProtocolState | undefined
  #stopped = false

  constructor(options: CoordinatorOptions) {
    const { log, limits, clock, timers, random, dialers } = options
    this.#options = options
    this.#step = options.step ?? step
    this.#startedMs = clock.monotonicMs()
    const crashPoints = options.crashPoints ?? noCrashPoints
    this.#passes = new CrashPasses(crashPoints, timers)
    this.#notices = new Notices(options.notice)
    this.#links = new LinkTable({ timers, crashPoints })
    const answered: AppendQueueOptions['answered'] = (...answer) => this.#appendAnswered(...answer)
    this.#appends = new AppendQueue({ log, timers, limits, crashPoints, answered })
    this.#turns = new TurnQueue({ timers, limits, turn: (queued) => this.#turn(queued) })
    const post = (event: Event) => this.#turns.post(event)
    this.#recoveries = new Recoveries({ limits, clock, timers, random, dialers, listener: this, post })
    const refuse = (replyTo: number, error: PledgedError) => this.#refuse(replyTo, error)
    this.#lookups = new Lookups({ log, post, refuse })
    this.#comparisons = new Comparisons({ log, post })
    this.#drain = new Drain({ timers, post })
    this.#ticker = new Ticker({ timers, tick: () => post({ type: 'tick' }) })
    this.#sessions = new Sessions({
      transactions: this,
      post,
      enlist: (request) => this.#ask((replyTo) => ({ type: 'enlist', replyTo, request })),
    })
    const failed = (reason: string): void => this.#notices.logFailed(reason)
    this.#retention = new Retention({ log, limits, clock, timers, post, failed })
  }

  /** Opens the log, fences, replays, and only then serves. Rejects with why it was refused. */
  async start(): Promise<void> {
    try {
      const opened = await this.#options.log.open((stage) => this.#boot.send({ type: stage }))
      this.#state = replay(opened, this.#options.limits)
    } catch (error) {
      const refusal = PledgedError.from(error)
      this.#boot.send({ type: 'failed', reason: refusal.message })
      throw refusal
    }
    this.#passes.replayed()
    this.#boot.send({ type: 'replayed' })
    this.#turns.post({ type: 'replayed' })
    this.#recoveries.start(this.#state.participants.keys())
    this.#retention.start()
  }

  get bootState(): BootState {
    return this.#boot.state
  }

  /** Why requests are refused at present, or undefined. */
  refusal(): PledgedError | undefined {
    const refusal = this.#refusalOfAll()
    if (refusal !== undefined || this.#state === undefined) return refusal
    if (this.#state.draining) return new PledgedError('DRAINING', 'the daemon is shutting down')
    return this.#state.failure
  }

  // --- TransactionApi

  execute(request: ExecuteRequest): Promise<Answer> {
    const digest = digestOf(request.branches, request.name)
    return this.#ask((replyTo) => ({ type: 'execute', replyTo, request: { ...request, digest } }))
  }

  begin(request: BeginRequest): Promise<Answer> {
    return this.#ask((replyTo) => ({ type: 'begin', replyTo, request }))
  }

  commit(request: CommitRequest): Promise<Answer> {
    const digest = digestOf(request.branches, request.name, request.preparedBranches)
    return this.#ask((replyTo) => ({ type: 'commit', replyTo, request: { ...request, digest } }))
  }

  abort(request: AbortRequest): Promise<Answer> {
    return this.#ask((replyTo) => ({ type: 'abort', replyTo, request }))
  }

  get(request: GetRequest): Promise<Answer> {
    return this.#ask((replyTo) => ({ type: 'get', replyTo, request }))
  }

  // --- SessionApi

  /** Also while it drains: what was begun before may be committed, and asked for. */
  openSession(options: SessionOptions): Session {
    const refusal = this.#refusalOfAll()
    if (refusal !== undefined) throw refusal
    return this.#sessions.open(options, this.#serving())
  }

  // --- LinkListener

  opened(link: Link): void {
    if (this.#state === undefined || this.#stopped) {
      link.close('the daemon is not serving', { retryAfterMs: this.#options.limits.backoffMinMs })
      return
    }
    this.#turns.post({ type: 'link_opened', identity: link.identity, link: this.#links.add(link) })
  }

  received(link: Link, messages: readonly ParticipantMessage[]): void {
    const number = this.#links.numberOf(link)
    if (number === undefined) return
    const participant = link.identity.name
    for (const message of messages) this.#turns.post({ type: 'message', participant, link: number, message })
  }

  closed(link: Link, reason: string): void {
    const number = this.#links.numberOf(link)
    if (number === undefined) return
    this.#links.remove(number)
    this.#turns.post({ type: 'link_closed', participant: link.identity.name, link: number, reason })
  }

  // --- CoordinatorInspection

  status(): StatusView {
    const state = this.#serving()
    return statusOf(state, {
      uptimeMs: this.#now().monotonicMs - this.#startedMs,
      nowWallMs: this.#now().wallMs,
      forcedWrites: this.#options.log.counters().forcedWrites,
      recoveries: this.#recoveries.views(),
    })
  }

  async listTransactions(query: TransactionQuery): Promise<TransactionPage> {
    return listTransactions(this.#serving(), this.#options.log, query, this.#now().wallMs)
  }

  async compareBranches(participants: readonly string[]): Promise<Comparison> {
    return this.#comparisons.compare(this.#serving(), participants, () => this.#now().wallMs)
  }

  audit(): readonly AuditRecord[] {
    return this.#serving().audit
  }

  // --- OperatorApi

  operate({ who, why, dryRun = false, request }: OperatorOrder): Promise<readonly string[]> {
    return this.#ask((replyTo) => ({ type: 'operator', replyTo, who, why, dryRun, request }))
  }

  // --- The end

  /**
   * Takes on nothing new and lets what is in flight finish. At four fifths of the time what is undecided aborts;
   * what some participant has not acknowledged by the end is reported, and delivered after the next start.
   */
  async drain(timeoutMs: number): Promise<DrainReport> {
    return this.#drain.run(this.#serving(), timeoutMs)
  }

  /** Closes the links and the log. Callers that still wait are told that the daemon has gone. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#turns.stop()
    this.#ticker.stop()
    this.#retention.stop()
    this.#sessions.endAll('the daemon is shutting down')
    this.#appends.close()
    for (const link of this.#links.all()) {
      link.close('the daemon is shutting down', { retryAfterMs: this.#options.limits.backoffMinMs })
    }
    await this.#recoveries.stop()
    await this.#options.log.close()
    this.#callers.refuseAll(
      new PledgedError('DRAINING', 'the daemon has shut down: ask for the outcome again later'),
    )
  }

  // --- Turns

  #refusalOfAll(): PledgedError | undefined {
    if (this.#stopped) return new PledgedError('DRAINING', 'the daemon has shut down')
    if (this.#state === undefined) return new PledgedError('STARTING', 'the daemon is replaying its log')
    return undefined
  }

  #ask<Expected extends CallerAnswer>(event: (replyTo: number) => Event): Promise<Expected> {
    const refusal = this.#refusalOfAll()
    if (refusal !== undefined) return Promise.reject(refusal)
    return this.#callers.wait<Expected>((replyTo) => this.#turns.post(event(replyTo)))
  }

  /** Once it has stopped every caller was refused already. */
  #refuse(replyTo: number, error: PledgedError): void {
    if (!this.#stopped) this.#callers.refuse(replyTo, error)
  }

  #turn(queued: readonly Queued[]): void {
    const state = this.#serving()
    const now = this.#now()
    for (const { event, then } of queued) {
      this.#passes.received(event)
      for (const effect of this.#step(state, now, event)) this.#carryOut(effect)
      for (const effect of then) this.#carryOut(effect)
    }
    // The log first: all of a batch wait for it, and the rest of this turn goes on while it writes.
    this.#appends.flush()
    this.#links.flush()
    this.#ticker.stepped(state, now)
    this.#drain.stepped(state)
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'send':
        this.#links.send(effect.participant, effect.message)
        return
      case 'append':
        this.#appends.add(effect)
        for (const record of effect.records) {
          if (record.type === 'heuristic') this.#notices.heuristic(record)
        }
        return
      case 'reply':
        this.#callers.answer(effect.replyTo, { transaction: effect.transaction, replayed: effect.replayed })
        this.#passes.answered(effect.transaction.outcome)
        return
      case 'enlisted':
        this.#callers.answer(effect.replyTo, undefined)
        return
      case 'leased':
      case 'end_session':
        this.#sessions.carryOut(effect)
        return
      case 'refuse':
        this.#callers.refuse(effect.replyTo, effect.error)
        return
      case 'carried_out':
        this.#callers.answer(effect.replyTo, effect.consequences)
        return
      case 'looked':
      case 'look_failed':
        this.#comparisons.looked(effect)
        return
      case 'recovery':
        this.#recoveries.signal(effect.participant, effect.signal)
        this.#notices.recovery(effect)
        return
      case 'welcome':
        this.#welcome(effect.link)
        return
      case 'dismiss':
        this.#links.remove(effect.link)?.close(effect.reason)
        return
      case 'forget':
        this.#retention.forget(effect.through)
        return
      case 'find_request':
        this.#lookups.findRequest(effect)
        return
      case 'find_transaction':
        this.#lookups.findTransaction(effect)
        return
    }
  }

  #welcome(number: number): void {
    const { logId, epoch, limits } = this.#serving()
    this.#links.admit(number)?.welcome({ logId, epoch, workBytesMax: limits.workBytesMax })
  }

  #appendAnswered(batch: readonly AppendEffect[], failure: PledgedError | undefined): void {
    if (failure !== undefined) this.#notices.logFailed(failure.message)
    for (const { token, then } of batch) {
      if (token.of === 'superseded') this.#notices.superseded(this.#serving().failure?.message ?? '')
      if (token.of === 'operator' && failure === undefined) this.#notices.audit(token.audit)
      if (failure === undefined) this.#turns.post({ type: 'appended', token }, then)
      else this.#turns.post({ type: 'append_failed', token, failure })
    }
  }

  #now(): Now {
    const { clock } = this.#options
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() }
  }

  #serving(): ProtocolState {
    if (this.#state !== undefined) return this.#state
    throw new PledgedError('STARTING', 'the daemon is replaying its log')
  }
}
