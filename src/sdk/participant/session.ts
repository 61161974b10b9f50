/**
 * One link's share of a host: whether its coordinator is admitted, its replies, gathered per turn of the event loop,
 * and whether it is still there.
 */
import type { CoordinatorMessage, ParticipantMessage } from '../../protocol/messages.ts'
import { type Caller, type SendingPorts, sendReplies } from './caller.ts'

/** Why a participant doesn't admit a coordinator. */
export type AdmissionRefusal = ParticipantMessage & { type: 'admission_refused' }

/** What a host tells the link that it serves. */
export interface HostListener {
  replied(messages: readonly ParticipantMessage[]): void
  /** The participant admits the coordinator (R11); what it was sent is being done from now on. */
  admitted?(): void
  /** It doesn't. `replied` has carried the refusal, and nothing follows: the link is to be ended. */
  refused?(refusal: AdmissionRefusal): void
}

/** One link's share of a host. */
export interface HostSession {
  receive(messages: readonly CoordinatorMessage[]): void
  /** The link is gone: what has not started is dropped, what runs goes on and is answered to nobody. */
  close(): void
}

export interface SessionOptions extends SendingPorts {
  readonly listener: HostListener
  readonly receive: (session: Session, messages: readonly CoordinatorMessage[]) => void
  readonly ended: (session: Session) => void
}

export class Session implements HostSession, Caller {
  readonly listener: HostListener
  readonly #options: SessionOptions
  /** What has come while the participant looks the coordinator up; undefined once that is done. */
  #held: CoordinatorMessage[] | undefined = []
  #replies: ParticipantMessage[] = []
  #closed = false

  constructor(options: SessionOptions) {
    this.listener = options.listener
    this.#options = options
  }

  get closed(): boolean {
    return this.#closed
  }

  receive(messages: readonly CoordinatorMessage[]): void {
    if (this.#closed) return
    if (this.#held === undefined) this.#options.receive(this, messages)
    // One by one: a batch may have more of them than a call takes as arguments.
    else for (const message of messages) this.#held.push(message)
  }

  admit(): void {
    if (this.#closed || this.#held === undefined) return
    const held = this.#held
    this.#held = undefined
    this.listener.admitted?.()
    this.receive(held)
  }

  refuse(refusal: AdmissionRefusal): void {
    if (this.#closed) return
    this.listener.replied([refusal])
    this.listener.refused?.(refusal)
    this.close()
  }

  /** Before its coordinator is admitted nothing is told to it: its scan, which comes later, finds what there is. */
  reply(message: ParticipantMessage): void {
    if (this.#closed || this.#held !== undefined) return
    if (this.#replies.length === 0) this.#options.timers.soon(() => this.#flush())
    this.#replies.push(message)
  }

  finished(): void {}

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#replies = []
    this.#held = undefined
    this.#options.ended(this)
  }

  #flush(): void {
    const replies = this.#replies
    if (replies.length === 0) return
    this.#replies = []
    sendReplies(replies, this.#options, () => this.listener.replied(replies))
  }
}
