/**
 * The network between applications and the coordinator: requests and answers that are slow, late or lost. A
 * request that is under way when its coordinator dies is lost with the connection; it never reaches the next.
 */
import { PledgedError } from '../base/errors.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type {
  AbortRequest,
  Answer,
  BeginRequest,
  CommitRequest,
  ExecuteRequest,
  GetRequest,
} from '../protocol/requests.ts'
import type { CoordinatorLife } from './coordinator-life.ts'
import type { CoordinatorProcess } from './coordinator-process.ts'
import { admitCommit } from './early-pledge.ts'
import type { Call, Said } from './observations.ts'
import type { Slips } from './slips.ts'
import type { Process } from './virtual-time.ts'
import type { World } from './world.ts'

export type CallRequest =
  | { readonly verb: 'execute'; readonly request: ExecuteRequest }
  | { readonly verb: 'begin'; readonly request: BeginRequest }
  | {
      readonly verb: 'commit'
      readonly request: CommitRequest
      /** Participants at which the application says that it has prepared its branches by itself (R12). */
      readonly preparedBranches?: readonly string[] | undefined
    }
  | { readonly verb: 'abort'; readonly request: AbortRequest }
  | { readonly verb: 'get'; readonly request: GetRequest }

export type Reply =
  | { readonly type: 'told'; readonly said: Said }
  | { readonly type: 'refused'; readonly code: string }

const CALL_TAKES_MS_MAX = 1_000

export class Wire {
  readonly #world: World
  readonly #coordinator: CoordinatorProcess
  readonly #slips: Slips
  /** When each call arrived that is not answered yet, by number. */
  readonly #waiting = new WeakMap<Process, Map<number, number>>()

  constructor(world: World, coordinator: CoordinatorProcess, slips: Slips) {
    this.#world = world
    this.#coordinator = coordinator
    this.#slips = slips
  }

  /** `replied` is called at most once, and perhaps never: whoever calls keeps a timeout of his own. */
  call(request: CallRequest, replied: (reply: Reply) => void): void {
    const world = this.#world
    const call = this.#describe(request)
    world.see({ type: 'called', call })
    if (world.fails('request_lost', 'client')) return
    const life = this.#coordinator.serving
    if (life === undefined) {
      this.#refuse(undefined, call, new PledgedError('UNAVAILABLE', 'the daemon can not be reached'), replied)
      return
    }
    const late = world.fails('request_late', 'client')
    const travelMs = late ? world.random.between(20, 250) : world.travelMs('client')
    life.process.after(travelMs, () => {
      const waiting = this.#waitingFor(life.process)
      waiting.set(call.number, world.time.nowMs)
      this.#ask(life.coordinator, request).then(
        (answer) => {
          waiting.delete(call.number)
          if (life.process.alive) this.#answer(life, call, answer, replied)
        },
        (error: unknown) => {
          waiting.delete(call.number)
          if (life.process.alive) this.#refuse(life, call, error, replied)
        },
      )
    })
  }

  /** Calls that have been with this coordinator for longer than any may take. */
  overdueAt(process: Process): number {
    const sinceMs = this.#world.time.nowMs - CALL_TAKES_MS_MAX
    return [...this.#waitingFor(process).values()].filter((arrivedMs) => arrivedMs < sinceMs).length
  }

  #waitingFor(process: Process): Map<number, number> {
    const waiting = this.#waiting.get(process) ?? new Map<number, number>()
    this.#waiting.set(process, waiting)
    return waiting
  }

  async #ask(coordinator: Coordinator, request: CallRequest): Promise<Answer> {
    if (request.verb === 'commit') admitCommit(request.request, request.preparedBranches ?? [], this.#slips)
    return ask(coordinator, request)
  }

  #answer(
    life: CoordinatorLife,
    call: Call,
    { transaction, replayed }: Answer,
    replied: (reply: Reply) => void,
  ): void {
    const said: Said = {
      xid: transaction.xid,
      state: transaction.state,
      outcome: transaction.outcome,
      cause: transaction.abortCause,
      requestId: transaction.requestId,
      attempt: transaction.attempt,
      replayed,
      branches: transaction.branches.map(({ participant, state }) => ({ participant, state })),
    }
    if (life.isOldCopy) {
      const isFoundOut = life.state?.failure?.code === 'EPOCH_SUPERSEDED'
      this.#world.see({ type: 'answered_by_copy', call, said, isFoundOut })
    } else this.#world.see({ type: 'answered', call, said })
    if (this.#world.fails('answer_lost', 'client')) return
    this.#world.time.after(this.#world.travelMs('client'), () => {
      if (!life.isOldCopy) this.#world.see({ type: 'told', call, said })
      replied({ type: 'told', said })
    })
  }

  #refuse(
    life: CoordinatorLife | undefined,
    call: Call,
    error: unknown,
    replied: (reply: Reply) => void,
  ): void {
    const { code, message } = PledgedError.from(error)
    // What an old copy knows nothing of says nothing of the log.
    if (life?.isOldCopy !== true) this.#world.see({ type: 'refused', call, code, message })
    if (this.#world.fails('answer_lost', 'client')) return
    this.#world.time.after(this.#world.travelMs('client'), () => replied({ type: 'refused', code }))
  }

  #describe({ verb, request }: CallRequest): Call {
    const number = this.#world.nextNumber()
    const name = 'name' in request ? request.name : undefined
    return {
      number,
      verb,
      caller: request.caller,
      xid: 'xid' in request ? request.xid : undefined,
      requestId: 'requestId' in request ? request.requestId : name?.requestId,
      attempt: name?.attempt,
      waitFor: 'waitFor' in request ? request.waitFor : undefined,
    }
  }
}

function ask(coordinator: Coordinator, { verb, request }: CallRequest): Promise<Answer> {
  switch (verb) {
    case 'execute':
      return coordinator.execute(request)
    case 'begin':
      return coordinator.begin(request)
    case 'commit':
      return coordinator.commit(request)
    case 'abort':
      return coordinator.abort(request)
    case 'get':
      return coordinator.get(request)
  }
}
