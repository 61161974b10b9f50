/** The network between applications and the coordinator, as far as sessions go: who has dialled, and what breaks. */
import { PledgedError } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import type { DialSession } from '../../sdk/client/session/session-stream.ts'
import type { CoordinatorProcess } from '../coordinator-process.ts'
import type { Process } from '../virtual-time.ts'
import type { World } from '../world.ts'
import { SimSessionStream } from './sim-session-stream.ts'

export class SessionNetwork {
  readonly #world: World
  readonly #limits: Limits
  readonly #coordinator: CoordinatorProcess
  #streams: SimSessionStream[] = []

  constructor(world: World, limits: Limits, coordinator: CoordinatorProcess) {
    this.#world = world
    this.#limits = limits
    this.#coordinator = coordinator
  }

  /** As that caller, from that process. */
  dial(process: Process, caller: string): DialSession {
    const world = this.#world
    return (greeting, listener) => {
      const life = this.#coordinator.serving
      if (life === undefined || life.isOldCopy || world.fails('dial_failed', 'session')) {
        const error = new PledgedError('UNAVAILABLE', 'the daemon can not be reached')
        process.after(world.travelMs('session'), () => listener.ended({ error }))
        return { send: () => {}, close: () => {} }
      }
      const stream = new SimSessionStream({
        world,
        life,
        limits: this.#limits,
        caller,
        greeting,
        listener,
        process,
      })
      this.#streams = this.#streams.filter(({ isOver }) => !isOver)
      this.#streams.push(stream)
      return stream
    }
  }

  /** One that is open, if there is one. */
  anyOpen(): SimSessionStream | undefined {
    const open = this.#streams.filter((stream) => stream.open)
    return open.length === 0 ? undefined : this.#world.random.pick(open)
  }

  coordinatorDied(process: Process): void {
    for (const stream of this.#streams) if (stream.coordinator === process) stream.cut()
  }

  applicationDied(process: Process): void {
    for (const stream of this.#streams) if (stream.application === process) stream.cut()
  }

  /** It was paused for so long that its coordinator's keepalive has had no answer. */
  giveUpOn(process: Process): void {
    for (const stream of this.#streams) if (stream.application === process) stream.giveUp()
  }
}
