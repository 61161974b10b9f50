/**
 * An application that speaks the session's protocol by itself, and asks for what the SDK would never: with leases of others,
 * with an xid that is used up, with lists that aren't what it enlisted, late, on another session, by a call of its own (R2, R12).
 */
import { drawEpoch, formatXid, parseXid, type Xid } from '../../base/ids.ts'
import type { SessionCall } from '../../protocol/session-messages.ts'
import type { Resource } from '../resource.ts'
import type { Process } from '../virtual-time.ts'
import type { Wire } from '../wire.ts'
import { encodeWork } from '../work.ts'
import type { World } from '../world.ts'
import { ApplicationConnection } from './application-connection.ts'
import type { RawPlan } from './application-plan.ts'
import { RawSession } from './raw-session.ts'
import { type Listed, RawTransaction } from './raw-transaction.ts'
import type { SessionNetwork } from './session-network.ts'

type Step = 'use' | 'steal' | 'repeat' | 'acknowledge' | 'call' | 'lease' | 'redial' | 'invent'

const STEPS: readonly Step[] = [
  ...(['use', 'use', 'use', 'use', 'steal', 'steal', 'steal'] as const),
  ...(['repeat', 'acknowledge', 'acknowledge', 'acknowledge', 'call', 'lease', 'redial', 'invent'] as const),
]

const DIALS_MAX = 12

export class RawApplication {
  readonly plan: RawPlan
  readonly #world: World
  readonly #network: SessionNetwork
  readonly #wire: Wire
  readonly #resources: readonly Resource[]
  /** Of all applications of this kind: they tell each other. */
  readonly #known: RawTransaction[]
  readonly #process: Process
  readonly #own = new Set<Xid>()
  #session: RawSession | undefined
  #stepsLeft: number
  #dialsLeft = DIALS_MAX
  #stopped = false

  constructor(options: {
    readonly world: World
    readonly network: SessionNetwork
    readonly wire: Wire
    readonly resources: readonly Resource[]
    readonly known: RawTransaction[]
    readonly plan: RawPlan
  }) {
    this.plan = options.plan
    this.#world = options.world
    this.#network = options.network
    this.#wire = options.wire
    this.#resources = options.resources
    this.#known = options.known
    this.#process = options.world.newProcess(options.plan.name)
    this.#stepsLeft = options.plan.steps
  }

  start(): void {
    this.#later(this.plan.startMs, this.plan.startMs + 1, () => {
      this.#dial()
      this.#next()
    })
  }

  stop(): void {
    this.#stopped = true
    this.#session?.close()
    for (const transaction of this.#known) transaction.leave()
  }

  #dial(): void {
    if (this.#stopped || this.#dialsLeft === 0) return
    this.#dialsLeft -= 1
    const { random } = this.#world
    this.#session = new RawSession({
      dial: this.#network.dial(this.#process, this.plan.caller),
      clientId: this.plan.clientId,
      leaseSize: random.pick([0, 1, 3]),
      opened: () => {},
      ended: () => this.#later(1, 40, () => this.#dial()),
    })
  }

  #next(): void {
    if (this.#stopped || this.#stepsLeft === 0) return
    this.#later(1, 25, () => {
      this.#stepsLeft -= 1
      const session = this.#session
      if (session?.open === true) this.#step(session, this.#world.random.pick(STEPS))
      this.#next()
    })
  }

  #step(session: RawSession, step: Step): void {
    const { random } = this.#world
    const known = this.#known.length === 0 ? undefined : random.pick(this.#known)
    switch (step) {
      case 'use': {
        const xid = session.takeXid()
        if (xid !== undefined) void this.#use(session, new RawTransaction(xid))
        return
      }
      case 'invent':
        return this.#invent(session)
      case 'lease':
        return session.say({ type: 'lease', count: 1 + random.below(4) })
      case 'redial':
        return session.close()
      case 'steal':
        return known && this.#steal(session, known)
      case 'repeat':
        return known && this.#commit(session, known)
      case 'acknowledge':
        return known && this.#acknowledge(session, known)
      case 'call':
        return known && this.#call(known)
    }
  }

  async #use(session: RawSession, transaction: RawTransaction): Promise<void> {
    const { random } = this.#world
    this.#known.push(transaction)
    this.#own.add(transaction.xid)
    const at = this.#resources.filter(() => random.chance(0.7))
    const readOnly = new Set<string>()
    let isWhole = true
    for (const resource of at) {
      const vote = await this.#prepare(session, transaction, resource)
      if (vote === undefined) isWhole = false
      if (vote === 'read_only') readOnly.add(resource.name)
    }
    if (!isWhole) {
      this.#abort(session, transaction)
      return
    }
    const listed = random.pick<Listed>([
      ...(['as_enlisted', 'as_enlisted', 'as_enlisted'] as const),
      ...(['one_left_out', 'one_left_out', 'another_connection', 'none'] as const),
    ])
    const name = random.chance(0.5)
      ? { requestId: `request-${transaction.xid}`, attempt: 1, firstSentTimeMs: this.#world.time.wallMs }
      : undefined
    const work = encodeWork({ key: `key-${random.below(8)}`, endsItself: false })
    const branches = random.chance(0.3) ? [{ participant: random.pick(['ledger', 'offsets']), work }] : []
    transaction.request = {
      caller: this.plan.caller,
      xid: transaction.xid,
      name,
      branches: branches.filter(({ participant }) => at.every((other) => other.name !== participant)),
      preparedBranches: transaction.list(listed, readOnly),
      waitFor: 'decision',
    }
    // It thinks, and its session may end meanwhile.
    this.#later(0, 30, () => this.#commit(session.open ? session : (this.#session ?? session), transaction))
  }

  /** How it votes; undefined: it failed, or nobody knows. */
  async #prepare(
    session: RawSession,
    transaction: RawTransaction,
    resource: Resource,
  ): Promise<'prepared' | 'read_only' | undefined> {
    const { random } = this.#world
    const { xid } = transaction
    const connection = new ApplicationConnection({
      world: this.#world,
      process: this.#process,
      resource,
      xid,
    })
    const { enlisted: branch, key } = transaction.enlist(connection, `key-${random.below(8)}`)
    // What it says at once, of what is neither prepared nor decided, says nothing.
    const early = {
      type: 'acknowledgement',
      ending: { xid, participant: resource.name, result: 'done' },
    } as const
    const together: SessionCall[] = random.chance(0.3) ? [early] : []
    const enlisted = await new Promise<boolean>((resolve) => {
      const replied = (reply: { readonly type: string } | undefined): void =>
        resolve(reply?.type === 'enlisted')
      session.ask((callId) => ({ type: 'enlist', callId, xid, branch }), replied, together)
    })
    if (!enlisted) return undefined
    try {
      await connection.open()
      await connection.work(key)
      return await connection.prepare()
    } catch {
      return undefined
    }
  }

  /** On whichever session: it may not be the one that holds the lease. */
  #commit(session: RawSession, transaction: RawTransaction): void {
    const { request } = transaction
    if (request === undefined) return
    session.ask(
      (callId) => ({ type: 'commit', callId, request }),
      (reply) => {
        transaction.answered(session, reply)
        if (reply?.type === 'refusal') this.#abort(session, transaction)
        if (reply === undefined) this.#later(5, 60, () => this.#again(transaction))
      },
    )
  }

  #again(transaction: RawTransaction): void {
    const session = this.#session
    if (session?.open !== true || this.#world.random.chance(0.3)) transaction.leave()
    else this.#commit(session, transaction)
  }

  #abort(session: RawSession, transaction: RawTransaction): void {
    const { xid } = transaction
    session.ask(
      (callId) => ({ type: 'abort', callId, xid }),
      (reply) => {
        if (reply?.type === 'answer') transaction.answered(session, reply)
        else transaction.leave()
      },
    )
  }

  /** Of another's: it enlists, or commits what is there, prepared or not, or aborts it. */
  #steal(session: RawSession, { xid, branches }: RawTransaction): void {
    const { random } = this.#world
    if (this.#own.has(xid)) return
    const stolen = { caller: this.plan.caller, xid, branches: [], waitFor: 'decision' } as const
    const preparedBranches = branches.map(({ enlisted }) => enlisted)
    const what = random.pick(['commit', 'commit', 'enlist', 'abort', 'get'] as const)
    const ignored = (): void => {}
    switch (what) {
      case 'commit':
        return session.ask(
          (callId) => ({ type: 'commit', callId, request: { ...stolen, preparedBranches } }),
          ignored,
        )
      case 'enlist': {
        const participant = random.pick(['ledger', 'offsets', 'sink', 'nobody'])
        const branch = { participant, resourceId: `resource-${participant}`, connectionId: 'stolen' }
        return session.ask((callId) => ({ type: 'enlist', callId, xid, branch }), ignored)
      }
      case 'abort':
        return session.ask((callId) => ({ type: 'abort', callId, xid }), ignored)
      case 'get':
        return session.ask(
          (callId) => ({ type: 'get', callId, request: { caller: this.plan.caller, xid } }),
          ignored,
        )
    }
  }

  /** An xid that it was never leased, of this epoch or of another. */
  #invent(session: RawSession): void {
    const like = this.#known.at(-1)?.xid
    const resource = this.#resources[0]
    if (like === undefined || resource === undefined) return
    const { logId, epoch } = parseXid(like)
    const { random } = this.#world
    const xid: Xid = formatXid({
      logId,
      epoch: random.chance(0.5) ? epoch : drawEpoch(1 + random.below(9), random),
      sequence: 1 + random.below(40_000),
    })
    const branch = { participant: resource.name, resourceId: 'another-resource', connectionId: 'invented' }
    session.ask(
      (callId) => ({ type: 'enlist', callId, xid, branch }),
      () => {},
    )
  }

  /** Of what is another session's. */
  #acknowledge(session: RawSession, { xid, branches }: RawTransaction): void {
    const participant = branches[0]?.enlisted.participant
    if (participant === undefined || this.#own.has(xid)) return
    session.say({ type: 'acknowledgement', ending: { xid, participant, result: 'done' } })
  }

  /** By a call of its own. */
  #call({ xid, request }: RawTransaction): void {
    const { caller } = this.plan
    if (request !== undefined && this.#world.random.chance(0.6))
      this.#wire.call({ verb: 'commit', request: { ...request, preparedBranches: undefined } }, () => {})
    else this.#wire.call({ verb: 'abort', request: { caller, xid } }, () => {})
  }

  #later(lowMs: number, highMs: number, run: () => void): void {
    this.#process.after(this.#world.random.between(lowMs, highMs), run)
  }
}
