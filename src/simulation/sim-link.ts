/**
 * A link over a simulated network. Messages arrive in their order, each after a time of its own. Cutting the
 * wire loses what is sent afterwards; each end notices later, by itself: until then what was under way arrives.
 */
import type { CoordinatorMessage, ParticipantIdentity, ParticipantMessage } from '../protocol/messages.ts'
import type { Link, LinkListener, Welcome } from '../transport/link.ts'
import type { Process } from './virtual-time.ts'
import type { World } from './world.ts'

/** The participant's end. */
export interface FarEnd {
  welcomed(link: SimLink, welcome: Welcome): void
  received(messages: readonly CoordinatorMessage[]): void
  closed(reason: string, retryAfterMs: number | undefined): void
}

interface End {
  readonly process: Process
  open: boolean
  /** Nothing sent to this end arrives before that. */
  lastArrivalMs: number
}

export class SimLink implements Link {
  readonly identity: ParticipantIdentity
  readonly #world: World
  readonly #listener: LinkListener
  readonly #farEnd: FarEnd
  readonly #coordinator: End
  readonly #participant: End
  #cut = false

  constructor(options: {
    readonly world: World
    readonly identity: ParticipantIdentity
    readonly listener: LinkListener
    readonly farEnd: FarEnd
    readonly coordinator: Process
    readonly participant: Process
  }) {
    this.identity = options.identity
    this.#world = options.world
    this.#listener = options.listener
    this.#farEnd = options.farEnd
    this.#coordinator = { process: options.coordinator, open: true, lastArrivalMs: 0 }
    this.#participant = { process: options.participant, open: true, lastArrivalMs: 0 }
  }

  /** Neither end has gone. */
  get open(): boolean {
    return this.#coordinator.open && this.#participant.open
  }

  // --- The coordinator's end

  welcome(welcome: Welcome): void {
    this.#travel(this.#coordinator, this.#participant, () => this.#farEnd.welcomed(this, welcome))
  }

  send(messages: readonly CoordinatorMessage[]): void {
    if (!this.#coordinator.open || !this.#coordinator.process.alive) return
    const participant = this.identity.name
    for (const message of messages) this.#world.see({ type: 'sent', participant, message })
    this.#travel(this.#coordinator, this.#participant, () => this.#farEnd.received(messages))
  }

  close(reason: string, options: { readonly retryAfterMs?: number | undefined } = {}): void {
    this.#travel(this.#coordinator, this.#participant, () =>
      this.#endParticipant(reason, options.retryAfterMs),
    )
    this.#coordinator.open = false
    this.#noticeGone(this.#participant, () => this.#endParticipant(reason, undefined))
  }

  // --- The participant's end

  reply(messages: readonly ParticipantMessage[]): void {
    if (!this.#participant.open || !this.#participant.process.alive) return
    const participant = this.identity.name
    for (const message of messages) this.#world.see({ type: 'said', participant, message })
    this.#travel(this.#participant, this.#coordinator, () => {
      for (const message of messages) this.#world.see({ type: 'heard', participant, message })
      this.#listener.received(this, messages)
    })
  }

  // --- The network's doing

  /** The wire breaks. */
  cut(): void {
    if (this.#cut) return
    this.#cut = true
    this.#noticeGone(this.#coordinator, () => this.#endCoordinator('the connection was lost'))
    this.#noticeGone(this.#participant, () => this.#endParticipant('the connection was lost', undefined))
  }

  /** A process at one of the ends died: the other end notices. */
  partyDied(): void {
    this.cut()
  }

  #travel(from: End, to: End, arrive: () => void): void {
    if (!from.open || !from.process.alive || this.#cut) return
    const { time } = this.#world
    const atMs = Math.max(to.lastArrivalMs, time.nowMs + this.#world.travelMs(this.identity.name))
    to.lastArrivalMs = atMs
    to.process.after(atMs - time.nowMs, () => {
      if (to.open) arrive()
    })
  }

  #noticeGone(end: End, notice: () => void): void {
    const { random } = this.#world
    // A reset is seen at once, a silent peer only by the keepalive.
    const afterMs = random.chance(0.7) ? random.between(0.1, 5) : random.between(20, 90)
    end.process.after(afterMs, notice)
  }

  #endCoordinator(reason: string): void {
    if (!this.#coordinator.open) return
    this.#coordinator.open = false
    this.#listener.closed(this, reason)
  }

  #endParticipant(reason: string, retryAfterMs: number | undefined): void {
    if (!this.#participant.open) return
    this.#participant.open = false
    this.#farEnd.closed(reason, retryAfterMs)
  }
}
