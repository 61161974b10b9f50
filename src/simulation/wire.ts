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
import type { CoordinatorProcess } from './coordinator-process.ts'
import type { Call, Said } from './observations.ts'
import type { World } from './world.ts'

export type CallRequest =
  | { readonly verb: 'execute'; readonly request: ExecuteRequest }
  | { readonly verb: 'begin'; readonly request: BeginRequest }
  | { readonly verb: 'commit'; readonly request: CommitRequest }
  | { readonly verb: 'abort'; readonly request: AbortRequest }
  | { readonly verb: 'get'; readonly request: GetRequest }

export type Reply =
  | { readonly type: 'told'; readonly said: Said }
  | { readonly type: 'refused'; readonly code: string }

export class Wire {
  readonly #world: World
  readonly #coordinator: CoordinatorProcess
  #nextNumber = 1

  constructor(world: World, coordinator: CoordinatorProcess) {
    this.#world = world
    this.#coordinator = coordinator
  }

  /** `replied` is called at most once, and perhaps never: whoever calls keeps a timeout of his own. */
  call(request: CallRequest, replied: (reply: Reply) => void): void {
    const world = this.#world
    const call = this.#describe(request)
    world.see({ type: 'called', call })
    if (world.fails('request_lost', 'client')) return
    const life = this.#coordinator.serving
    if (life === undefined) {
      this.#refuse(call, new PledgedError('UNAVAILABLE', 'the daemon can not be reached'), replied)
      return
    }
    const late = world.fails('request_late', 'client')
    const travelMs = late ? world.random.between(20, 250) : world.travelMs('client')
    life.process.after(travelMs, () => {
      ask(life.coordinator, request).then(
        (answer) => {
          if (life.process.alive) this.#answer(call, answer, replied)
        },
        (error: unknown) => {
          if (life.process.alive) this.#refuse(call, error, replied)
        },
      )
    })
  }

  #answer(call: Call, { transaction, replayed }: Answer, replied: (reply: Reply) => void): void {
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
    this.#world.see({ type: 'answered', call, said })
    if (this.#world.fails('answer_lost', 'client')) return
    this.#world.time.after(this.#world.travelMs('client'), () => {
      this.#world.see({ type: 'told', call, said })
      replied({ type: 'told', said })
    })
  }

  #refuse(call: Call, error: unknown, replied: (reply: Reply) => void): void {
    const { code, message } = PledgedError.from(error)
    this.#world.see({ type: 'refused', call, code, message })
    if (this.#world.fails('answer_lost', 'client')) return
    this.#world.time.after(this.#world.travelMs('client'), () => replied({ type: 'refused', code }))
  }

  #describe({ verb, request }: CallRequest): Call {
    const number = this.#nextNumber
    this.#nextNumber += 1
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
