/**
 * Ends the session of a branch whose vote nobody waits for any more. Closing the connection wouldn't do: the server
 * notices that only when the statement has ended, which may wait for a lock, and holds others meanwhile.
 */
import type { DatabaseFailure } from '../shared/servers/database-failure.ts'
import type { Connections } from './connections.ts'
import { abandoned } from './errors.ts'
import type { Session } from './session.ts'

export interface WatchOptions {
  readonly session: Session
  readonly signal: AbortSignal
  /** By `performance.now()`. */
  readonly deadlineMs: number
  /** As it was given, for the sentence. */
  readonly timeoutMs: number
  readonly connections: Pick<Connections, 'kill'>
}

export class Watch {
  readonly #options: WatchOptions
  readonly #timer: NodeJS.Timeout
  readonly #onAbort = (): void => this.#fire('nobody waits for the vote any more')
  #killing: Promise<void> | undefined
  #failure: DatabaseFailure | undefined
  #ended = false

  constructor(options: WatchOptions) {
    this.#options = options
    const { signal, deadlineMs, timeoutMs } = options
    this.#timer = setTimeout(
      () => this.#fire(`the work took longer than its vote is waited for (${timeoutMs} ms)`),
      Math.max(0, deadlineMs - performance.now()),
    )
    signal.addEventListener('abort', this.#onAbort, { once: true })
    if (signal.aborted) this.#onAbort()
  }

  end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
    this.#options.signal.removeEventListener('abort', this.#onAbort)
  }

  /** Why the session was ended from here, if it was. */
  get failure(): DatabaseFailure | undefined {
    return this.#failure
  }

  /** A session that was killed is gone, and its locks with it, or may be. */
  async settle(): Promise<void> {
    await this.#killing
  }

  #fire(why: string): void {
    if (this.#ended) return
    this.end()
    const { session, connections } = this.#options
    // Where it can't be killed, its statement ends by the lock timeout, and then the session.
    this.#killing = connections.kill(session.id).catch(() => {})
    this.#failure = abandoned('work', why)
    session.destroy(this.#failure)
  }
}
