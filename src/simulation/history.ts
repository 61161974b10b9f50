/** One history: faults for a while, then healing, then everybody asks, then the checkers judge. */
import { messageOf } from '../base/errors.ts'
import type { Break } from './breaks/index.ts'
import { type FinishedHistory, violationsOf } from './checkers/index.ts'
import { Client } from './client.ts'
import { CoordinatorProcess } from './coordinator-process.ts'
import type { Observed } from './observations.ts'
import { ParticipantProcess } from './participant-process.ts'
import { drawPlan, type HistoryPlan } from './plan.ts'
import { SeededRandom } from './seeded-random.ts'
import type { Tally } from './tally.ts'
import { strike } from './timed-faults.ts'
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
/** Owners that are silent run into their timeouts meanwhile, and clients give up. */
const HEALING_MS_MIN = 100

export async function runHistory(options: HistoryOptions): Promise<HistoryResult> {
  const random = new SeededRandom(options.seed, options.index)
  const plan = drawPlan(random)
  const world = new World({ random, tally: options.tally, enabled: plan.enabled })
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
    const wire = new Wire(world, this.#coordinator)
    this.#clients = plan.clients.map((client) => new Client(world, wire, client))
  }

  async run(): Promise<void> {
    const { time } = this.#world
    this.#coordinator.start()
    for (const participant of this.#participants) participant.start()
    for (const client of this.#clients) time.after(client.plan.startMs, () => client.start())
    const parties = { world: this.#world, coordinator: this.#coordinator, participants: this.#participants }
    for (const { kind, atMs } of this.#plan.timedFaults) time.after(atMs, () => strike(parties, kind))
    await time.run(this.#plan.activeMs)
    this.#world.heal()
    await time.run(time.nowMs + HEALING_MS_MIN)
    await this.#quiet()
    await this.#ask()
    await this.#quiet()
    this.#count()
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
      },
      pledgeMarginMs: this.#plan.limits.pledgeMarginMs,
      unanswered: this.#unanswered,
    }
  }

  /** Until everything has ended, or for so long that it never will. */
  async #quiet(): Promise<void> {
    const { time } = this.#world
    const giveUpMs = time.nowMs + HEALING_MS_MAX
    while (time.nowMs < giveUpMs) {
      if (this.#settled() && (await this.#unfinished()) === 0) return
      await time.run(time.nowMs + HEALING_SLICE_MS)
    }
  }

  #settled(): boolean {
    const { status } = this.#coordinator
    if (status === undefined || status.inDoubt > 0 || status.inFlight > 0) return false
    if (status.participants.some(({ up }) => !up)) return false
    return this.#participants.every(({ resource }) =>
      [...resource.live.prepared.keys()].every((xid) => this.#world.isForeign(xid)),
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
    await time.run(time.nowMs + HEALING_MS_MAX, () => this.#unanswered === 0)
    // What was written last reaches the disk.
    await time.run(time.nowMs + SETTLING_MS)
  }

  #count(): void {
    const { tally } = this.#world
    for (const client of this.#clients) {
      if (!client.started) continue
      tally.transactions += 1
      tally[client.outcome] += 1
    }
  }
}
