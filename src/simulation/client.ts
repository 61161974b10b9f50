/**
 * One application's one transaction, from the first call to what it was told in the end. It behaves as the SDK
 * does: a lost answer is asked for again under the same name; the retry of an aborted attempt is the next one.
 */
import type { BranchWork, RequestName, WaitFor } from '../protocol/requests.ts'
import { EarlyPledge } from './early-pledge.ts'
import type { Said } from './observations.ts'
import { isTransient } from './refusals.ts'
import type { Resource } from './resource.ts'
import type { CallRequest, Reply, Wire } from './wire.ts'
import type { World } from './world.ts'

export type ClientKind =
  | 'execute_named'
  | 'execute_unnamed'
  | 'begin_commit'
  | 'begin_abort'
  | 'commit_then_abort'
  | 'early_pledge'

export interface ClientPlan {
  readonly kind: ClientKind
  readonly caller: string
  readonly requestId: string
  readonly startMs: number
  readonly branches: readonly BranchWork[]
  readonly waitFor: WaitFor
  readonly deadlineInMs: number | undefined
  readonly prepareTimeoutMs: number | undefined
  readonly idleTimeoutMs: number | undefined
}

/** How it ended for the application. */
export type ClientOutcome = 'committed' | 'aborted' | 'unknown'

const CALLS_MAX = 8
const ATTEMPTS_MAX = 3

export class Client {
  readonly plan: ClientPlan
  readonly #world: World
  readonly #wire: Wire
  readonly #resources: readonly Resource[]
  readonly #xids = new Set<string>()
  #outcome: ClientOutcome = 'unknown'
  #attempt = 1
  #firstSentTimeMs: number | undefined
  #xid: string | undefined
  #settled = false

  constructor(options: {
    readonly world: World
    readonly wire: Wire
    readonly plan: ClientPlan
    /** What it can reach by connections of its own. */
    readonly resources: readonly Resource[]
  }) {
    this.#world = options.world
    this.#wire = options.wire
    this.plan = options.plan
    this.#resources = options.resources
  }

  get outcome(): ClientOutcome {
    return this.#outcome
  }

  /** Every xid that it was told of. */
  get xids(): ReadonlySet<string> {
    return this.#xids
  }

  get started(): boolean {
    return this.#firstSentTimeMs !== undefined
  }

  get isNamed(): boolean {
    const { kind } = this.plan
    return kind !== 'execute_unnamed' && kind !== 'begin_abort' && kind !== 'early_pledge'
  }

  start(): void {
    this.#firstSentTimeMs = this.#world.time.wallMs
    const { kind, caller, idleTimeoutMs } = this.plan
    if (kind === 'execute_named' || kind === 'execute_unnamed') {
      this.#decide(CALLS_MAX)
      return
    }
    this.#call({ verb: 'begin', request: { caller, idleTimeoutMs } }, CALLS_MAX, (said) => this.#begun(said))
  }

  /** Asks how it ended, by every name that it knows. */
  ask(answered: () => void = () => {}): void {
    const { caller, requestId } = this.plan
    const keys = [...this.#xids].map((xid) => ({ caller, xid }))
    if (this.isNamed) this.#get({ caller, requestId }, answered)
    for (const key of keys) this.#get(key, answered)
  }

  get questions(): number {
    return this.#xids.size + (this.isNamed ? 1 : 0)
  }

  /** Sends the request once more, as a network that duplicates does. */
  repeat(answered: () => void = () => {}): void {
    if (this.plan.kind === 'execute_named') this.#send(() => answered())
  }

  #get(
    request: { caller: string; xid: string } | { caller: string; requestId: string },
    answered: () => void,
  ): void {
    this.#wire.call({ verb: 'get', request }, (reply) => {
      if (reply.type === 'told') this.#learned(reply.said)
      answered()
    })
  }

  /** Who lost the answer, or has just started in the place of one that died, learns it by asking. */
  #learned({ xid, outcome }: Said): void {
    this.#xids.add(xid)
    if (this.#outcome === 'unknown' && outcome !== 'pending') this.#outcome = outcome
  }

  #begun(said: Said): void {
    this.#xid = said.xid
    const { kind, caller } = this.plan
    if (this.#world.fails('owner_silent', 'client')) {
      this.#world.tally.crash('client')
      return
    }
    if (kind === 'early_pledge') {
      const [world, wire, resources] = [this.#world, this.#wire, this.#resources]
      const told = (other: Said): void => this.#told(other)
      new EarlyPledge({ world, wire, resources, plan: this.plan, xid: said.xid, told }).run()
      return
    }
    this.#later(0.1, 30, () => {
      if (kind === 'begin_abort') {
        this.#call({ verb: 'abort', request: { caller, xid: said.xid } }, CALLS_MAX, (other) =>
          this.#told(other),
        )
        return
      }
      this.#decide(CALLS_MAX)
      if (kind === 'begin_commit') return
      this.#later(0, 8, () => {
        this.#wire.call({ verb: 'abort', request: { caller, xid: said.xid } }, () => {})
      })
    })
  }

  #decide(callsLeft: number): void {
    if (this.#settled) return
    const attempt = this.#attempt
    const { random } = this.#world
    if (this.#world.fails('owner_silent', 'client')) {
      // It died with its call under way; whoever comes after it asks by the names.
      this.#world.tally.crash('client')
      this.#send(() => {})
      return
    }
    this.#guard(callsLeft, (again) => {
      if (this.#attempt !== attempt) return
      this.#send((reply) => this.#replied(reply, again))
      if (!this.isNamed || !this.#world.isEnabled('request_duplicated')) return
      if (!random.chance(0.15)) return
      this.#world.faulted('request_duplicated', 'client')
      this.#later(0, 60, () => this.#send((reply) => this.#replied(reply, () => {})))
    })
  }

  #send(replied: (reply: Reply) => void): void {
    const { kind, caller, requestId, branches, waitFor, deadlineInMs, prepareTimeoutMs } = this.plan
    const name: RequestName | undefined = this.isNamed
      ? { requestId, attempt: this.#attempt, firstSentTimeMs: this.#firstSentTimeMs }
      : undefined
    const options = { caller, name, branches, waitFor, deadlineInMs, prepareTimeoutMs }
    if (kind === 'execute_named' || kind === 'execute_unnamed') {
      this.#wire.call({ verb: 'execute', request: options }, replied)
    } else if (this.#xid !== undefined) {
      this.#wire.call({ verb: 'commit', request: { ...options, xid: this.#xid } }, replied)
    }
  }

  /** Calls until there is an answer. */
  #call(request: CallRequest, callsLeft: number, told: (said: Said) => void): void {
    let answered = false
    this.#guard(callsLeft, (again) => {
      if (answered) return
      this.#wire.call(request, (reply) => {
        if (reply.type === 'refused') {
          if (isTransient(reply.code)) this.#later(5, 40, again)
          return
        }
        this.#xids.add(reply.said.xid)
        if (answered) return
        answered = true
        told(reply.said)
      })
    })
  }

  /** Runs `attempt` now, and again when its time has passed or `again` is called, as often as `callsLeft` says. */
  #guard(callsLeft: number, attempt: (again: () => void) => void): void {
    if (callsLeft === 0 || this.#settled) return
    let over = false
    const again = () => {
      if (over) return
      over = true
      this.#guard(callsLeft - 1, attempt)
    }
    attempt(again)
    // A request without a name has nothing to ask by: it is not sent twice.
    if (this.plan.kind !== 'execute_unnamed') this.#later(60, 250, again)
  }

  #later(lowMs: number, highMs: number, run: () => void): void {
    this.#world.time.after(this.#world.random.between(lowMs, highMs), run)
  }

  #replied(reply: Reply, again: () => void): void {
    if (this.#settled) return
    if (reply.type === 'refused') {
      if (isTransient(reply.code)) this.#later(5, 40, again)
      else this.#settled = true
      return
    }
    const { said } = reply
    this.#told(said)
    if (said.outcome !== 'aborted' || !this.isNamed || this.plan.kind !== 'execute_named') return
    if (said.attempt !== this.#attempt || this.#attempt >= ATTEMPTS_MAX) return
    if (!this.#world.random.chance(0.5)) return
    this.#settled = false
    this.#attempt += 1
    this.#later(0, 30, () => this.#decide(CALLS_MAX))
  }

  #told(said: Said): void {
    this.#xids.add(said.xid)
    this.#settled = said.outcome !== 'pending'
    this.#outcome = said.outcome === 'pending' ? 'unknown' : said.outcome
    if (!this.#settled || !this.#world.random.chance(0.3)) return
    this.#later(0, 400, () => this.ask())
  }
}
