/**
 * A link to a participant host in the same process. Everything is delivered in a later turn, in order: the two
 * ends see what they would see over a wire, so that what holds here holds there.
 */
import type { Timers } from '../../base/ports.ts'
import type { CoordinatorMessage, ParticipantIdentity, ParticipantMessage } from '../../protocol/messages.ts'
import type { Link, LinkListener, Welcome } from '../link.ts'

/** What a memory link connects to: the shape of the participant SDK's host, which this floor doesn't import. */
export interface MemoryHost {
  describe(): Promise<ParticipantIdentity>
  attach(listener: MemoryHostListener, coordinator: Welcome): MemoryHostSession
  close(): Promise<unknown>
}

export interface MemoryHostListener {
  replied(messages: readonly ParticipantMessage[]): void
  refused(refusal: { readonly message: string }): void
}

export interface MemoryHostSession {
  receive(messages: readonly CoordinatorMessage[]): void
  close(): void
}

export interface MemoryLinkOptions {
  readonly host: MemoryHost
  readonly identity: ParticipantIdentity
  readonly listener: LinkListener
  readonly timers: Timers
}

export class MemoryLink implements Link {
  readonly identity: ParticipantIdentity
  readonly #host: MemoryHost
  readonly #listener: LinkListener
  readonly #timers: Timers
  #outbox: CoordinatorMessage[] = []
  #session: MemoryHostSession | undefined
  #welcome: Welcome | undefined
  #closed = false

  constructor(options: MemoryLinkOptions) {
    this.identity = options.identity
    this.#host = options.host
    this.#listener = options.listener
    this.#timers = options.timers
  }

  welcome(welcome: Welcome): void {
    if (this.#welcome !== undefined || this.#closed) return
    this.#welcome = welcome
    this.#timers.soon(() => this.#deliver())
  }

  send(messages: readonly CoordinatorMessage[]): void {
    if (this.#closed || messages.length === 0) return
    if (this.#welcome !== undefined && this.#outbox.length === 0) this.#timers.soon(() => this.#deliver())
    this.#outbox.push(...messages)
  }

  close(): void {
    this.#closed = true
    this.#outbox = []
    const session = this.#session
    this.#session = undefined
    if (session !== undefined) this.#timers.soon(() => session.close())
  }

  /** The participant's end breaks: it hears nothing more, and the coordinator is told. */
  sever(reason: string): void {
    if (this.#closed) return
    this.close()
    this.#timers.soon(() => this.#listener.closed(this, reason))
  }

  #deliver(): void {
    if (this.#closed || this.#welcome === undefined) return
    this.#session ??= this.#host.attach(
      {
        replied: (messages) => this.#replied(messages),
        // In a later turn, so that the refusal itself is heard.
        refused: ({ message }) => this.#timers.soon(() => this.sever(message)),
      },
      this.#welcome,
    )
    if (this.#outbox.length === 0) return
    const messages = this.#outbox
    this.#outbox = []
    this.#session.receive(messages)
  }

  #replied(messages: readonly ParticipantMessage[]): void {
    this.#timers.soon(() => {
      if (!this.#closed) this.#listener.received(this, messages)
    })
  }
}
