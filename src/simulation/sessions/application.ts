/**
 * An application through its lives: the production SDK over a session, with branches on connections of its own. It is killed
 * between any two steps, paused for longer than its session lives, and started again; what its last life had under way is then
 * nobody's but the coordinator's.
 */
import type { CrashPoints } from '../../base/crash-points.ts'
import { messageOf } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import type { Coordinator, Transaction } from '../../sdk/client/coordinator.ts'
import { CoordinatorClient } from '../../sdk/client/coordinator-client.ts'
import { OutcomeUnknownError, TransactionAbortedError } from '../../sdk/client/outcome.ts'
import { SessionClient } from '../../sdk/client/session/session-client.ts'
import { SessionCalls } from '../../sdk/client/session-calls.ts'
import { Transactions } from '../../sdk/client/transaction/index.ts'
import type { Resource } from '../resource.ts'
import type { Slips } from '../slips.ts'
import type { Process } from '../virtual-time.ts'
import type { World } from '../world.ts'
import type { ApplicationConnection } from './application-connection.ts'
import type { ApplicationPlan, ApplicationWork } from './application-plan.ts'
import { modelBranch } from './model-branch.ts'
import type { SessionNetwork } from './session-network.ts'

interface Life {
  readonly process: Process
  readonly client: Coordinator
  readonly connections: ApplicationConnection[]
  /** Calls of the SDK that have not ended. */
  underWay: number
}

/** How a piece of work ended for the application. */
export type WorkOutcome = 'committed' | 'aborted' | 'unknown'

class OwnError extends Error {}

export class Application {
  readonly plan: ApplicationPlan
  readonly #world: World
  readonly #limits: Limits
  readonly #network: SessionNetwork
  readonly #resources: readonly Resource[]
  readonly #slips: Slips
  readonly #outcomes = new Map<ApplicationWork, WorkOutcome>()
  readonly #xids = new Set<string>()
  #life: Life | undefined
  #stopped = false

  constructor(options: {
    readonly world: World
    readonly limits: Limits
    readonly network: SessionNetwork
    readonly resources: readonly Resource[]
    readonly slips: Slips
    readonly plan: ApplicationPlan
  }) {
    this.plan = options.plan
    this.#world = options.world
    this.#limits = options.limits
    this.#network = options.network
    this.#resources = options.resources
    this.#slips = options.slips
  }

  get process(): Process | undefined {
    return this.#life?.process
  }

  /** Of what was started. */
  get outcomes(): readonly WorkOutcome[] {
    return [...this.#outcomes.values()]
  }

  /** Every name that it knows its work by. */
  get questions(): readonly ({ readonly xid: string } | { readonly requestId: string })[] {
    const named = [...this.#outcomes.keys()].flatMap(({ requestId }) => requestId ?? [])
    return [...[...this.#xids].map((xid) => ({ xid })), ...named.map((requestId) => ({ requestId }))]
  }

  /** Calls of the SDK that were made and have not ended, in the present life. */
  get underWay(): number {
    return this.#life?.underWay ?? 0
  }

  start(): void {
    if (this.#life !== undefined || this.#stopped) return
    this.#life = this.#newLife()
  }

  begin(): void {
    this.start()
    for (const work of this.plan.works) {
      this.#world.time.after(work.startMs, () => this.#run(work))
    }
  }

  kill(): void {
    const life = this.#life
    if (life === undefined) return
    const { random, tally, time } = this.#world
    tally.crash('client')
    life.process.kill()
    this.#life = undefined
    this.#network.applicationDied(life.process)
    for (const connection of life.connections) connection.leaveOpen()
    time.after(random.between(2, 80), () => this.start())
  }

  /** It has nothing more to do. */
  stop(): void {
    this.#stopped = true
    void this.#life?.client.close()
  }

  #newLife(): Life {
    const world = this.#world
    const process = world.newProcess(this.plan.name)
    const { clock, timers } = process
    const crashPoints = this.#crashPoints(process)
    const ports = { clock, timers, limits: this.#limits, random: world.random, crashPoints }
    const address = 'coordinator'
    const dial = this.#network.dial(process, this.plan.caller)
    const production = new SessionClient({ ...ports, address, dial })
    const sessions = this.#slips.sessions?.(production) ?? production
    const timeoutMs = 200
    const transactions = new Transactions({ ...ports, address, sessions, timeoutMs })
    const calls = new SessionCalls(sessions)
    const client = new CoordinatorClient({ ...ports, address, calls, transactions, timeoutMs })
    return { process, client, connections: [], underWay: 0 }
  }

  #run(work: ApplicationWork): void {
    const life = this.#life
    if (life === undefined || this.#stopped) return
    this.#outcomes.set(work, 'unknown')
    const number = this.#world.nextNumber()
    life.underWay += 1
    this.#ended(work, life, number).then(
      (outcome) => {
        life.underWay -= 1
        if (life.process.alive) this.#outcomes.set(work, outcome)
      },
      (error: unknown) => this.#world.see({ type: 'bug', message: messageOf(error) }),
    )
  }

  async #ended(work: ApplicationWork, life: Life, number: number): Promise<WorkOutcome> {
    const tell = (outcome: 'committed' | 'aborted' | 'failed' | 'unknown', message: string, xid?: string) => {
      if (!life.process.alive) return
      if (xid !== undefined) this.#xids.add(xid)
      this.#world.see({ type: 'application_told', work: number, outcome, xid, message })
    }
    try {
      const { outcome, xid } = await this.#done(work, life, number)
      tell(outcome, '', xid)
      return outcome
    } catch (error) {
      if (error instanceof OutcomeUnknownError) {
        tell('unknown', error.message, error.xid)
        return 'unknown'
      }
      const isAborted = error instanceof TransactionAbortedError
      tell(isAborted ? 'aborted' : 'failed', messageOf(error), isAborted ? error.xid : undefined)
      return 'aborted'
    }
  }

  async #done(
    work: ApplicationWork,
    life: Life,
    number: number,
  ): Promise<{ readonly outcome: 'committed' | 'aborted'; readonly xid: string }> {
    const { client } = life
    const { requestId, attempt, timeoutMs, retries } = work
    const options = { requestId, attempt, timeoutMs }
    switch (work.kind) {
      case 'execute': {
        const [first, ...others] = work.branches
        if (first === undefined) throw new OwnError('nothing to do')
        return client.execute([first, ...others], { ...options, retries, waitFor: work.waitFor })
      }
      case 'transaction':
        return client.transaction((transaction) => this.#work(work, life, number, transaction), {
          ...options,
          retries,
        })
      case 'begin': {
        await using transaction = await client.begin(options)
        await this.#work(work, life, number, transaction)
        return await transaction.commit()
      }
    }
  }

  async #work(
    { branches, thinksMs, throws }: ApplicationWork,
    life: Life,
    number: number,
    transaction: Transaction,
  ): Promise<void> {
    const { xid } = transaction
    this.#xids.add(xid)
    this.#world.see({ type: 'begun_early', work: number, xid })
    for (const { participant, key, work, early } of branches) {
      const resource = this.#resources.find(({ name }) => name === participant)
      if (resource === undefined) continue
      if (early) await transaction.branch(this.#branchAt(resource, life), (handle) => handle.work(key))
      else transaction.add({ participant, work })
    }
    if (thinksMs > 0) await this.#think(life, thinksMs)
    if (throws) throw new OwnError('the application has changed its mind')
  }

  #branchAt(resource: Resource, life: Life): ReturnType<typeof modelBranch> {
    const production = modelBranch({
      world: this.#world,
      process: life.process,
      resource,
      connected: (connection) => life.connections.push(connection),
    })
    return this.#slips.branches?.(production) ?? production
  }

  #think(life: Life, forMs: number): Promise<void> {
    return new Promise((resolve) => {
      life.process.after(forMs, resolve)
    })
  }

  #crashPoints(process: Process): CrashPoints {
    return {
      pass: () => {
        if (process.alive && this.#world.fails('application_crash_point', this.plan.name)) this.kill()
      },
    }
  }
}
