/**
 * Open sessions, by the number that the core knows them by: what is asked over one becomes an event, in the order in which it
 * is asked, and what the core says of one goes to its listener.
 */
import { PledgedError } from '../base/errors.ts'
import type { Epoch, LogId } from '../base/ids.ts'
import type { Effect } from '../protocol/effects.ts'
import type { Event } from '../protocol/events.ts'
import type {
  AbortRequest,
  Answer,
  ApplicationEnding,
  CommitRequest,
  EnlistRequest,
  ExecuteRequest,
  GetRequest,
  Session,
  SessionListener,
  SessionNumber,
  SessionOptions,
  TransactionApi,
} from '../protocol/requests.ts'

export interface SessionsOptions {
  readonly transactions: TransactionApi
  readonly post: (event: Event) => void
  /** Resolves when the core has enlisted it. */
  readonly enlist: (request: EnlistRequest) => Promise<void>
}

export class Sessions {
  readonly #options: SessionsOptions
  readonly #open = new Map<SessionNumber, OpenSession>()
  #next: SessionNumber = 1

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  open(options: SessionOptions, { logId, epoch }: { readonly logId: LogId; readonly epoch: Epoch }): Session {
    const number = this.#next
    this.#next += 1
    const session = new OpenSession({
      ...this.#options,
      logId,
      epoch,
      number,
      listener: options.listener,
      closed: () => this.#open.delete(number),
    })
    this.#open.set(number, session)
    const { caller, clientId, leaseSize } = options
    this.#options.post({ type: 'session_opened', session: number, caller, clientId, leaseSize })
    return session
  }

  carryOut(effect: Extract<Effect, { type: 'leased' | 'end_session' }>): void {
    const session = this.#open.get(effect.session)
    if (effect.type === 'leased') session?.leased(effect.lease)
    else session?.end(effect.reason)
  }

  endAll(reason: string): void {
    for (const session of this.#open.values()) session.end(reason)
  }
}

interface OpenSessionOptions extends SessionsOptions {
  readonly logId: LogId
  readonly epoch: Epoch
  readonly number: SessionNumber
  readonly listener: SessionListener
  readonly closed: () => void
}

class OpenSession implements Session {
  readonly logId: LogId
  readonly epoch: Epoch
  readonly #options: OpenSessionOptions
  #over = false

  constructor(options: OpenSessionOptions) {
    this.#options = options
    this.logId = options.logId
    this.epoch = options.epoch
  }

  lease(count: number): void {
    if (!this.#over) this.#options.post({ type: 'lease', session: this.#options.number, count })
  }

  enlist(request: Omit<EnlistRequest, 'session'>): Promise<void> {
    return this.#ask(({ enlist, number }) => enlist({ ...request, session: number }))
  }

  execute(request: ExecuteRequest): Promise<Answer> {
    return this.#ask(({ transactions }) => transactions.execute(request))
  }

  commit(request: CommitRequest): Promise<Answer> {
    return this.#ask(({ transactions, number }) => transactions.commit({ ...request, session: number }))
  }

  abort(request: AbortRequest): Promise<Answer> {
    return this.#ask(({ transactions, number }) => transactions.abort({ ...request, session: number }))
  }

  get(request: GetRequest): Promise<Answer> {
    return this.#ask(({ transactions }) => transactions.get(request))
  }

  acknowledge(ending: ApplicationEnding): void {
    const { post, number } = this.#options
    if (!this.#over) post({ type: 'ended_by_application', session: number, ending })
  }

  close(reason: string): void {
    if (!this.#finish()) return
    this.#options.post({ type: 'session_closed', session: this.#options.number, reason })
  }

  leased(...args: Parameters<SessionListener['leased']>): void {
    this.#options.listener.leased(...args)
  }

  /** The coordinator's doing: the core knows. */
  end(reason: string): void {
    if (this.#finish()) this.#options.listener.ended(reason)
  }

  #finish(): boolean {
    if (this.#over) return false
    this.#over = true
    this.#options.closed()
    return true
  }

  #ask<T>(ask: (options: OpenSessionOptions) => Promise<T>): Promise<T> {
    if (!this.#over) return ask(this.#options)
    return Promise.reject(
      new PledgedError(
        'UNAVAILABLE',
        'this session has ended: open another, and ask again under the same name',
      ),
    )
  }
}
