/** One link's share of a host: its replies, gathered per turn of the event loop, and whether it is still there. */
import type { CrashPoints } from '../../base/crash-points.ts'
import type { Timers } from '../../base/ports.ts'
import type { CoordinatorMessage, ParticipantMessage } from '../../protocol/messages.ts'

/** What a host tells the link that it serves. */
export interface HostListener {
  replied(messages: readonly ParticipantMessage[]): void
  /** As many prepares as may run at once are under way: stop reading. */
  saturated?(): void
  /** Read on. */
  drained?(): void
}

/** One link's share of a host. */
export interface HostSession {
  receive(messages: readonly CoordinatorMessage[]): void
  /** The link is gone: what has not started is dropped, what runs goes on and is answered to nobody. */
  close(): void
}

export class Session implements HostSession {
  readonly listener: HostListener
  readonly #timers: Timers
  readonly #crashPoints: CrashPoints
  readonly #receive: (session: Session, messages: readonly CoordinatorMessage[]) => void
  #replies: ParticipantMessage[] = []
  #closed = false

  constructor(
    listener: HostListener,
    timers: Timers,
    crashPoints: CrashPoints,
    receive: (session: Session, messages: readonly CoordinatorMessage[]) => void,
  ) {
    this.listener = listener
    this.#timers = timers
    this.#crashPoints = crashPoints
    this.#receive = receive
  }

  get closed(): boolean {
    return this.#closed
  }

  receive(messages: readonly CoordinatorMessage[]): void {
    if (!this.#closed) this.#receive(this, messages)
  }

  reply(message: ParticipantMessage): void {
    if (this.#closed) return
    if (this.#replies.length === 0) this.#timers.soon(() => this.#flush())
    this.#replies.push(message)
  }

  close(): void {
    this.#closed = true
    this.#replies = []
  }

  #flush(): void {
    const replies = this.#replies
    if (replies.length === 0) return
    this.#replies = []
    const votes = replies.some((reply) => reply.type === 'vote')
    const acknowledgements = replies.some((reply) => reply.type === 'result' && reply.verb === 'commit')
    if (votes) this.#crashPoints.pass('participant.vote.before-send')
    this.listener.replied(replies)
    if (votes || acknowledgements) this.#passWhenSent(votes, acknowledgements)
  }

  /** A batched stream writes in the turn after this one, and the socket in the turn after that. */
  #passWhenSent(votes: boolean, acknowledgements: boolean): void {
    this.#timers.soon(() =>
      this.#timers.soon(() => {
        if (votes) this.#crashPoints.pass('participant.vote.after-send')
        if (acknowledgements) this.#crashPoints.pass('participant.acknowledgement.sent')
      }),
    )
  }
}
