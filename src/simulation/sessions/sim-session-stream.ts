/**
 * A session's stream over a simulated network: what is sent arrives in its order, each after a time of its own, at a session
 * of the production coordinator. When the wire breaks, in one direction or in both, what was under way may be lost, and each
 * end notices by itself, soon or late: until then the coordinator keeps what the application has long given up.
 */
import { PledgedError } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import type { SessionCall, SessionGreeting } from '../../protocol/session-messages.ts'
import type { SessionStream, SessionStreamListener } from '../../sdk/client/session/session-stream.ts'
import type { CoordinatorLife } from '../coordinator-life.ts'
import type { Process } from '../virtual-time.ts'
import type { World } from '../world.ts'
import { ServedSession } from './served-session.ts'
import { describeCall, type NumberedCall } from './session-calls.ts'

export interface SimSessionStreamOptions {
  readonly world: World
  readonly life: CoordinatorLife
  readonly limits: Limits
  readonly caller: string
  readonly greeting: SessionGreeting
  readonly listener: SessionStreamListener
  /** The application's. */
  readonly process: Process
}

interface End {
  readonly process: Process
  open: boolean
  lastArrivalMs: number
  /** The wire towards it has broken: what would arrive later is lost. */
  lostAfterMs: number
}

export class SimSessionStream implements SessionStream {
  /** How others may name it. */
  readonly number: number
  readonly #options: SimSessionStreamOptions
  readonly #client: End
  readonly #server: End
  readonly #served: ServedSession
  #broken = false

  constructor(options: SimSessionStreamOptions) {
    const { world, life, limits, caller, greeting, listener, process } = options
    this.#options = options
    this.number = world.nextNumber()
    this.#client = newEnd(process)
    this.#server = newEnd(life.process)
    this.#served = new ServedSession({
      world,
      life,
      limits,
      caller,
      number: this.number,
      admitted: (admission) => this.#toClient(() => listener.admitted(admission)),
      replied: (reply, arrived) =>
        this.#toClient(() => {
          arrived()
          listener.received([reply])
        }),
      ended: (error) => this.#toClient(() => this.#endClient(error)),
    })
    this.#toServer(() => this.#served.open(greeting))
  }

  /** Neither end has given it up. */
  get open(): boolean {
    return this.#client.open && this.#server.open
  }

  /** Both have. */
  get isOver(): boolean {
    return !this.#client.open && !this.#server.open
  }

  get coordinator(): Process {
    return this.#server.process
  }

  get application(): Process {
    return this.#client.process
  }

  send(calls: readonly SessionCall[]): void {
    if (!this.#client.open || !this.#client.process.alive) return
    const { world, caller } = this.#options
    const numbered = calls.map((call): NumberedCall => {
      const described = describeCall(call, caller, { number: world.nextNumber(), session: this.number })
      if (described !== undefined) world.see({ type: 'called', call: described })
      return { call, described }
    })
    this.#toServer(() => {
      for (const call of numbered) this.#served.receive(call)
    })
  }

  close(): void {
    if (!this.#client.open) return
    this.#toServer(() => this.#endServer('its client closed it'))
    this.#client.open = false
    // A reset may be all that comes of it.
    this.#noticeGone(this.#server, () => this.#endServer('its client is gone'))
  }

  // --- The network's doing

  /** The wire breaks; each end notices by itself. */
  cut(): void {
    if (this.#broken) return
    this.#broken = true
    const { world } = this.#options
    if (this.open && world.fails('in_flight_lost', 'session')) {
      this.#loseFrom(this.#client, world.random.between(0, 1.5))
      this.#loseFrom(this.#server, world.random.between(0, 1.5))
    }
    this.#noticeGone(this.#server, () => this.#endServer('the connection was lost'))
    this.#noticeGone(this.#client, () => this.#endClient(lost('the connection was lost')))
  }

  /** One direction is cut first; then one end notices, and the other one much later. */
  halfOpen(): void {
    if (this.#broken) return
    this.#broken = true
    const { time, random } = this.#options.world
    const [deaf, other] = random.chance(0.5) ? [this.#client, this.#server] : [this.#server, this.#client]
    this.#loseFrom(deaf, 0)
    const otherLostMs = random.between(0, 40)
    this.#loseFrom(other, otherLostMs)
    const early = random.between(0.1, 10)
    const late = random.between(40, 400)
    const [clientMs, serverMs] = random.chance(0.7) ? [early, late] : [late, early]
    time.after(clientMs, () => this.#endClient(lost('the connection was lost')), this.#client.process)
    time.after(serverMs, () => this.#endServer('the connection was lost'), this.#server.process)
  }

  /** The coordinator's keepalive has had no answer for too long. */
  giveUp(): void {
    this.#broken = true
    this.#loseFrom(this.#client, 0)
    this.#endServer('its client did not answer')
    this.#noticeGone(this.#client, () => this.#endClient(lost('the connection was reset')))
  }

  #toServer(arrive: () => void): void {
    this.#travel(this.#server, arrive)
  }

  #toClient(arrive: () => void): void {
    if (this.#server.process.alive) this.#travel(this.#client, arrive)
  }

  #travel(to: End, arrive: () => void): void {
    const { world } = this.#options
    const { nowMs } = world.time
    const atMs = Math.max(to.lastArrivalMs, nowMs + world.travelMs('session'))
    to.lastArrivalMs = atMs
    to.process.after(atMs - nowMs, () => {
      if (to.open && atMs <= to.lostAfterMs) arrive()
    })
  }

  #loseFrom(end: End, inMs: number): void {
    end.lostAfterMs = Math.min(end.lostAfterMs, this.#options.world.time.nowMs + inMs)
  }

  #noticeGone(end: End, notice: () => void): void {
    const { random } = this.#options.world
    // A reset is seen at once, a silent peer only by the keepalive.
    end.process.after(random.chance(0.7) ? random.between(0.1, 5) : random.between(20, 90), notice)
  }

  #endServer(reason: string): void {
    if (!this.#server.open) return
    this.#server.open = false
    this.#served.close(reason)
  }

  #endClient(error: PledgedError): void {
    if (!this.#client.open) return
    this.#client.open = false
    // Whoever has heard that it is over hangs up.
    if (!this.#broken) this.#toServer(() => this.#endServer('its client has left'))
    this.#options.listener.ended({ error })
  }
}

function lost(why: string): PledgedError {
  return new PledgedError('UNAVAILABLE', why)
}

function newEnd(process: Process): End {
  return { process, open: true, lastArrivalMs: 0, lostAfterMs: Number.POSITIVE_INFINITY }
}
