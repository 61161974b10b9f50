/**
 * The operators: they decide, retry, acknowledge and give up what they see, at the worst moment that chance finds, and
 * pause participants that they resume later.
 */
import type { OperatorRequest } from '../protocol/operators/index.ts'
import type { ProtocolState } from '../protocol/state.ts'
import type { CoordinatorProcess } from './coordinator-process.ts'
import type { OperatorFault } from './fault-kinds.ts'
import type { World } from './world.ts'

type Ordering = Exclude<OperatorFault, 'operator_compared'>

/** How often, and for how long, they look for something to do what they are out for. */
const LOOKS = 40
const LOOK_EVERY_MS = 3

export class Operator {
  readonly #world: World
  readonly #coordinator: CoordinatorProcess

  constructor(world: World, coordinator: CoordinatorProcess) {
    this.#world = world
    this.#coordinator = coordinator
  }

  /** Does it as soon as there is something to do it to. */
  goFor(kind: OperatorFault): undefined {
    if (kind === 'operator_compared') this.#compare()
    else this.#look(kind, LOOKS)
  }

  /** What was paused and not resumed, for whatever reason, is resumed. */
  resumeAll(): void {
    for (const { name, pause } of this.#coordinator.status?.participants ?? []) {
      if (pause !== undefined) this.#order({ action: 'resume_participant', participant: name })
    }
  }

  #compare(): void {
    const life = this.#coordinator.serving
    if (life === undefined || life.isOldCopy) return
    this.#world.faulted('operator_compared', 'operator')
    const names = life.coordinator.status().participants.map(({ name }) => name)
    life.coordinator.compareBranches(names).catch(() => {})
  }

  #look(kind: Ordering, looksLeft: number): void {
    if (looksLeft === 0 || this.#world.healing) return
    const state = this.#coordinator.isOldCopy ? undefined : this.#coordinator.serving?.state
    const request = state && requestFor(kind, state, this.#world)
    if (request === undefined) {
      this.#world.time.after(LOOK_EVERY_MS, () => this.#look(kind, looksLeft - 1))
      return
    }
    this.#world.faulted(kind, 'operator')
    this.#order(request)
    if (request.action !== 'pause_participant') return
    const { participant } = request
    this.#world.time.after(this.#world.random.between(10, 250), () =>
      this.#order({ action: 'resume_participant', participant }),
    )
  }

  #order(request: OperatorRequest): void {
    const life = this.#coordinator.serving
    if (life === undefined || life.isOldCopy) return
    this.#world.see({ type: 'ordered', request })
    life.coordinator.operate({ who: 'operator', why: 'a simulation', request }).then(
      () => this.#world.see({ type: 'order_carried_out', request }),
      (error: unknown) => this.#world.see({ type: 'order_refused', request, message: String(error) }),
    )
  }
}

/**
 * Something that an operator could meet in this very moment, whether or not it will be refused. Mostly what calls for
 * it, and now and then any transaction at all.
 */
function requestFor(kind: Ordering, state: ProtocolState, { random }: World): OperatorRequest | undefined {
  const pick = <Item>(items: readonly Item[]) => (items.length === 0 ? undefined : random.pick(items))
  const participants = [...state.participants.values()]
  const any = pick([...state.transactions.values()])
  const atRandom = any !== undefined && random.chance(ANY_TRANSACTION)
  const decision = random.pick(['commit', 'abort'] as const)
  switch (kind) {
    case 'operator_resolved': {
      const undecided = [...state.transactions.values()].filter((other) => other.decision === undefined)
      const xid = atRandom ? any.xid : pick(undecided)?.xid
      return xid && { action: 'resolve_transaction', xid, decision }
    }
    case 'operator_retried': {
      const xid = atRandom ? any.xid : pick(participants.flatMap(({ owed }) => [...owed.keys()]))
      return xid && { action: 'retry_transaction', xid }
    }
    case 'operator_acknowledged': {
      const xid = atRandom ? any.xid : pick([...state.heuristics.values()])?.xid
      return xid && { action: 'acknowledge_transaction', xid }
    }
    case 'operator_gave_up': {
      const owing = atRandom ? pick(participants) : pick(participants.filter(({ owed }) => owed.size > 0))
      const xid = atRandom ? any.xid : owing && pick([...owing.owed.keys()])
      return xid && owing && { action: 'forget_branch', xid, participant: owing.name }
    }
    case 'operator_ended_foreign': {
      const holder = pick(participants.filter(({ foreign }) => foreign.length > 0))
      const xid = holder && pick(holder.foreign)?.xid
      if (xid === undefined || holder === undefined) return undefined
      return { action: 'forget_branch', xid, participant: holder.name, decision }
    }
    case 'operator_paused': {
      const participant = pick(participants)?.name
      return participant === undefined ? undefined : { action: 'pause_participant', participant }
    }
  }
}

const ANY_TRANSACTION = 0.3
