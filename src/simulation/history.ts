/** One history: faults for a while, then healing, then everybody asks, then the checkers judge. */
import { messageOf } from '../base/errors.ts'
import type { Break } from './breaks/index.ts'
import { type FinishedHistory, type Left, violationsOf } from './checkers/index.ts'
import { Client } from './client.ts'
import { CoordinatorProcess } from './coordinator-process.ts'
import { countRecoveryIn } from './coverage/index.ts'
import { exceptionsIn } from './exceptions.ts'
import { leftInCore } from './memory.ts'
import type { Observed } from './observations.ts'
import { Operator } from './operator.ts'
import { ParticipantProcess } from './participant-process.ts'
import { drawPlan, type HistoryPlan } from './plan.ts'
import { SeededRandom } from './seeded-random.ts'
import {
  Application,
  RawApplication,
  type RawTransaction,
  SessionNetwork,
  takesEarlyBranches,
} from './sessions/index.ts'
import type { Tally } from './tally.ts'
import { strike } from './timed-faults.ts'
import type { Process } from './virtual-time.ts'
import { Wire } from './wire.ts'
import { World } from './world.ts'

export interface HistoryOptions {
  readonly seed: number
  readonly index: number
  readonly broken?: Break | undefined
  readonly tally: Tally
}

export interface HistoryResult {
  readonly violations: readonly string[]
  readonly observed: readonly Observed[]
}

/** How long healing may take, in virtual time: many times every limit. */
const HEALING_MS_MAX = 5_000
const SETTLING_MS = 25
const HEALING_SLICE_MS = 20
/** What hung, or outlived its process, when the faults ended has come to its end by then, and may have pledged. */
const LATE_MS_MAX = 350
const EMPTYING_SLICE_MS = 5
/** Owners that are silent run into their timeouts meanwhile, and clients give up. */
const HEALING_MS_MIN = 40

export async function runHistory(options: HistoryOptions): Promise<HistoryResult> {
  const random = new SeededRandom(options.seed, options.index)
  const plan = drawPlan(random)
  const world = new World({ random, tally: options.tally, enabled: plan.enabled })
  countRecoveryIn(options.tally)
  const history = new History(world, plan, options.broken)
  try {
    await history.run()
  } catch (error) {
    world.see({ type: 'bug', message: messageOf(error) })
  }
  return { violations: violationsOf(await history.finished()), observed: world.recorder.observed }
}

class History {
  readonly #world: World
  readonly #plan: HistoryPlan
  readonly #coordinator: CoordinatorProcess
  readonly #participants: readonly ParticipantProcess[]
  readonly #clients: readonly Client[]
  readonly #operator: Operator
  readonly #wire: Wire
  readonly #applications: readonly Application[]
  readonly #raw: readonly RawApplication[]
  readonly #network: SessionNetwork
  #unanswered = 0

  constructor(world: World, plan: HistoryPlan, broken: Break | undefined) {
    this.#world = world
    this.#plan = plan
    this.#coordinator = new CoordinatorProcess({ world, limits: plan.limits, broken })
    this.#participants = plan.participants.map(
      (participant) =>
        new ParticipantProcess({
          world,
          plan: participant,
          limits: plan.limits,
          slips: broken?.slips ?? {},
          findCoordinator: () => this.#coordinator.reachable,
        }),
    )
    this.#coordinator.participants = this.#participants
    this.#operator = new Operator(world, this.#coordinator)
    this.#wire = new Wire(world, this.#coordinator, broken?.slips ?? {})
    const resources = this.#participants.map(({ resource }) => resource)
    this.#clients = plan.clients.map(
      (client) => new Client({ world, wire: this.#wire, plan: client, resources }),
    )
    const { limits, sessions, participants } = plan
    const network = new SessionNetwork(world, limits, this.#coordinator)
    this.#coordinator.network = network
    const common = { world, limits, network, wire: this.#wire, resources, slips: broken?.slips ?? {} }
    this.#applications = sessions.applications.map(
      (application) => new Application({ ...common, plan: application }),
    )
    const early = participants.filter(takesEarlyBranches).map(({ name }) => name)
    const atHand = resources.filter(({ name }) => early.includes(name))
    const known: RawTransaction[] = []
    this.#raw = sessions.raw.map(
      (raw) => new RawApplication({ ...common, resources: atHand, known, plan: raw }),
    )
    this.#network = network
  }

  async run(): Promise<void> {
    const { time } = this.#world
    this.#coordinator.start()
    for (const participant of this.#participants) participant.start()
    for (const client of this.#clients) time.after(client.plan.startMs, () => client.start())
    for (const application of this.#applications) application.begin()
    for (const raw of this.#raw) raw.start()
    const parties = {
      world: this.#world,
      coordinator: this.#coordinator,
      participants: this.#participants,
      applications: this.#applications,
      network: this.#network,
      operator: this.#operator,
    }
    for (const { kind, atMs } of this.#plan.timedFaults) time.after(atMs, () => strike(parties, kind))
    await time.run(this.#plan.activeMs)
    this.#world.heal()
    this.#coordinator.heal()
    const healedMs = time.nowMs
    await time.run(healedMs + HEALING_MS_MIN)
    await this.#quiet()
    await this.#ask()
    await time.run(Math.max(time.nowMs, healedMs + LATE_MS_MAX))
    for (const application of [...this.#applications, ...this.#raw]) application.stop()
    await this.#quiet()
    await this.#emptied()
    this.#count()
    this.#countExceptions()
  }

  async finished(): Promise<FinishedHistory> {
    const { serving, disk } = this.#coordinator
    const status = serving?.coordinator.status()
    return {
      observed: this.#world.recorder.observed,
      participants: this.#participants.map(({ plan, resource }) => ({
        name: plan.name,
        keepsWitnesses: plan.keepsWitnesses,
        prepared: new Set(resource.durable.prepared.keys()),
        applied: resource.durable.applied,
      })),
      coordinator: status && {
        unfinished: await this.#unfinished(),
        inDoubt: status.inDoubt,
        heuristics: status.heuristics,
        forgottenThrough: disk.forgottenThrough,
        left: this.#left(),
      },
      pledgeMarginMs: this.#plan.limits.pledgeMarginMs,
      orphanGraceMs: this.#plan.limits.orphanGraceMs,
      unanswered: this.#unanswered,
    }
  }

  #left(): readonly Left[] {
    const { serving } = this.#coordinator
    const ofCore = serving?.state === undefined ? [] : leftInCore(serving.state)
    const calls = serving === undefined ? 0 : this.#wire.overdueAt(serving.process)
    const left = [...ofCore, { of: 'calls', count: calls }]
    for (const participant of this.#participants)
      left.push({ of: 'links too many', count: participant.openLinks - 1 })
    for (const { underWay, plan } of this.#applications)
      left.push({ of: `calls of the SDK in ${plan.name}`, count: underWay })
    return left.filter(({ count }) => count > 0)
  }

  /** Until everything has ended, or for so long that it never will. */
  async #quiet(): Promise<void> {
    const { time } = this.#world
    const giveUpMs = time.nowMs + HEALING_MS_MAX
    while (time.nowMs < giveUpMs) {
      if (this.#settled() && (await this.#unfinished()) === 0) return
      this.#operator.resumeAll()
      await time.run(time.nowMs + HEALING_SLICE_MS)
    }
  }

  /** Applications that gave up long ago may still leave something behind for a while. */
  async #emptied(): Promise<void> {
    const { time } = this.#world
    const giveUpMs = time.nowMs + HEALING_MS_MAX
    while (this.#left().length > 0 && time.nowMs < giveUpMs) await time.run(time.nowMs + EMPTYING_SLICE_MS)
  }

  #settled(): boolean {
    const { status } = this.#coordinator
    if (status === undefined || status.inDoubt > 0 || status.inFlight > 0 || status.draining) return false
    // What is being written may fail yet, and whoever watches the daemon would start it again amid the questions.
    if (status.logFailure?.code === 'LOG_UNWRITABLE' || this.#coordinator.disk.unsyncedBatches > 0)
      return false
    if (this.#processes.some((process) => process.pausedUntilMs > this.#world.time.nowMs)) return false
    if (status.participants.some(({ up, pause }) => !up || pause !== undefined)) return false
    return this.#participants.every(({ resource }) =>
      [...resource.live.prepared.keys()].every(
        (xid) => this.#world.isForeign(xid) || this.#world.isByHand(xid),
      ),
    )
  }

  get #processes(): Process[] {
    return [this.#coordinator, ...this.#participants, ...this.#applications].flatMap(
      ({ process }) => process ?? [],
    )
  }

  async #unfinished(): Promise<number> {
    const coordinator = this.#coordinator.serving?.coordinator
    const page = await coordinator?.listTransactions({ pageSize: 1, pageToken: '', states: [] })
    return page?.totalUnfinished ?? 0
  }

  /** Everybody asks how it ended, by every name there is; some ask by sending their request again. */
  async #ask(): Promise<void> {
    const { time, random } = this.#world
    this.#world.see({ type: 'phase', phase: 'asking' })
    const answered = () => {
      this.#unanswered -= 1
    }
    for (const client of this.#clients) {
      if (!client.started) continue
      this.#unanswered += client.questions
      client.ask(answered)
      if (client.plan.kind !== 'execute_named' || random.chance(0.5)) continue
      this.#unanswered += 1
      client.repeat(answered)
    }
    for (const { questions, plan } of this.#applications) {
      for (const question of questions) {
        this.#unanswered += 1
        this.#wire.call({ verb: 'get', request: { caller: plan.caller, ...question } }, answered)
      }
    }
    await time.run(time.nowMs + HEALING_MS_MAX, () => this.#unanswered === 0)
    // What was written last reaches the disk.
    await time.run(time.nowMs + SETTLING_MS)
  }

  #countExceptions(): void {
    const { tally, recorder } = this.#world
    for (const [exception, count] of exceptionsIn(
      recorder.observed,
      this.#participants,
      this.#coordinator.disk,
    ))
      tally.except(exception, count)
  }

  #count(): void {
    const { tally } = this.#world
    for (const client of this.#clients) {
      if (!client.started) continue
      tally.transactions += 1
      tally[client.outcome] += 1
    }
    for (const outcome of this.#applications.flatMap(({ outcomes }) => outcomes)) {
      tally.transactions += 1
      tally[outcome] += 1
    }
  }
}
