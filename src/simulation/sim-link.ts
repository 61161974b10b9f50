/**
 * A link over a simulated network. On a stream messages arrive in their order, each after a time of its own. Where
 * each message is a call of its own ("calls"), those about different xids keep no order, an abort may overtake its
 * prepare, and what may be carried out again may arrive twice (see transport/link.ts).
 *
 * Cutting the wire loses what is sent afterwards, and perhaps what was under way; each end notices later, by itself.
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
  /** Nothing sent to this end arrives before that; where messages keep an order, by what they are about. */
  readonly lastArrivalMs: Map<string, number>
  /** A one-way partition: what is sent to this end waits for its end. */
  stalledUntilMs: number
  /** The wire has broken: what would arrive later is lost. */
  lostAfterMs: number
}

const STREAM = 'stream'

export class SimLink implements Link {
  readonly identity: ParticipantIdentity
  readonly #world: World
  readonly #listener: LinkListener
  readonly #farEnd: FarEnd
  readonly #coordinator: End
  readonly #participant: End
  readonly #calls: boolean
  /** Its coordinator runs on an old copy of the log. */
  readonly #isOfCopy: boolean
  #cut = false

  constructor(options: {
    readonly world: World
    readonly identity: ParticipantIdentity
    readonly listener: LinkListener
    readonly farEnd: FarEnd
    readonly coordinator: Process
    readonly participant: Process
    /** Each message is a call of its own. */
    readonly calls?: boolean | undefined
  }) {
    this.identity = options.identity
    this.#world = options.world
    this.#listener = options.listener
    this.#farEnd = options.farEnd
    this.#coordinator = newEnd(options.coordinator)
    this.#participant = newEnd(options.participant)
    this.#calls = options.calls === true
    this.#isOfCopy = options.world.isOnCopy(options.coordinator)
  }

  /** Neither end has gone. */
  get open(): boolean {
    return this.#coordinator.open && this.#participant.open
  }

  /** Of the coordinator's end. */
  get coordinator(): Process {
    return this.#coordinator.process
  }

  // --- The coordinator's end

  welcome(welcome: Welcome): void {
    this.#travel(this.#coordinator, this.#participant, STREAM, () => this.#farEnd.welcomed(this, welcome))
  }

  send(messages: readonly CoordinatorMessage[]): void {
    if (!this.#coordinator.open || !this.#coordinator.process.alive) return
    const participant = this.identity.name
    const type = this.#isOfCopy ? 'sent_by_copy' : 'sent'
    for (const message of messages) this.#world.see({ type, participant, message })
    if (!this.#calls) {
      this.#travel(this.#coordinator, this.#participant, STREAM, () => this.#farEnd.received(messages))
      return
    }
    for (const message of messages) this.#call(message)
  }

  close(reason: string, options: { readonly retryAfterMs?: number | undefined } = {}): void {
    this.#travel(this.#coordinator, this.#participant, STREAM, () =>
      this.#endParticipant(reason, options.retryAfterMs),
    )
    this.#coordinator.open = false
    this.#noticeGone(this.#participant, () => this.#endParticipant(reason, undefined))
  }

  // --- The participant's end

  reply(messages: readonly ParticipantMessage[]): void {
    if (!this.#participant.open || !this.#participant.process.alive) return
    const participant = this.identity.name
    const type = this.#isOfCopy ? 'said_to_copy' : 'said'
    for (const message of messages) this.#world.see({ type, participant, message })
    if (!this.#calls) {
      this.#answer(STREAM, messages)
      return
    }
    for (const message of messages) this.#answer('xid' in message ? message.xid : message.type, [message])
  }

  // --- The network's doing

  /** The wire breaks. */
  cut(): void {
    if (this.#cut) return
    this.#cut = true
    const { time, random } = this.#world
    if (this.open && this.#world.fails('in_flight_lost', this.identity.name)) {
      this.#coordinator.lostAfterMs = time.nowMs + random.between(0, 1.5)
      this.#participant.lostAfterMs = time.nowMs + random.between(0, 1.5)
    }
    this.#noticeGone(this.#coordinator, () => this.#endCoordinator('the connection was lost'))
    this.#noticeGone(this.#participant, () => this.#endParticipant('the connection was lost', undefined))
  }

  /** In one direction nothing gets through for a while; nobody notices, unless by what doesn't come. */
  stall(towards: 'coordinator' | 'participant', forMs: number): void {
    const end = towards === 'coordinator' ? this.#coordinator : this.#participant
    end.stalledUntilMs = this.#world.time.nowMs + forMs
  }

  /** A process at one of the ends died: the other end notices. */
  partyDied(): void {
    this.cut()
  }

  /** An abort gives up the prepare that it follows, and may be there first; otherwise an xid's messages are in order. */
  #call(message: CoordinatorMessage): void {
    const about = 'xid' in message ? message.xid : message.type
    const lane = message.type === 'prepare' ? `prepare ${about}` : about
    const arrive = () => this.#farEnd.received([message])
    this.#travel(this.#coordinator, this.#participant, lane, arrive)
    const isRepeatable = message.type === 'commit' || message.type === 'abort' || message.type === 'forget'
    if (isRepeatable && this.#world.fails('message_duplicated', this.identity.name))
      this.#travel(this.#coordinator, this.#participant, lane, arrive)
  }

  #answer(lane: string, messages: readonly ParticipantMessage[]): void {
    const participant = this.identity.name
    this.#travel(this.#participant, this.#coordinator, lane, () => {
      for (const message of messages) {
        if (!this.#isOfCopy) this.#world.see({ type: 'heard', participant, message })
      }
      this.#listener.received(this, messages)
    })
  }

  /** `lane`: what is sent in it arrives in its order. */
  #travel(from: End, to: End, lane: string, arrive: () => void): void {
    if (!from.open || !from.process.alive || this.#cut) return
    const { time } = this.#world
    const earliestMs = Math.max(to.lastArrivalMs.get(lane) ?? 0, to.stalledUntilMs)
    const atMs = Math.max(earliestMs, time.nowMs + this.#travelMs())
    to.lastArrivalMs.set(lane, atMs)
    to.process.after(atMs - time.nowMs, () => {
      if (to.open && atMs <= to.lostAfterMs) arrive()
    })
  }

  #travelMs(): number {
    const { name } = this.identity
    if (this.#calls && this.#world.fails('message_overtaken', name)) return this.#world.random.between(1, 20)
    return this.#world.travelMs(name)
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

function newEnd(process: Process): End {
  return {
    process,
    open: true,
    lastArrivalMs: new Map(),
    stalledUntilMs: 0,
    lostAfterMs: Number.POSITIVE_INFINITY,
  }
}
