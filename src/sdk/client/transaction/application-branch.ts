/**
 * One branch on one of the application's connections, from its opening to its end. It keeps the port's promise that one
 * method runs at a time, and bounds how long the end may take: where a connection doesn't come back, the branch is left.
 */

import { PledgedError } from '../../../base/errors.ts'
import type { Timers } from '../../../base/ports.ts'
import type { PreparedBranch } from '../../../protocol/requests.ts'
import type { BranchContext, BranchOpening, OpenBranch } from './branch.ts'
import { settledWithin } from './ports.ts'

type Stage = 'opening' | 'open' | 'prepared' | 'read_only' | 'ended'

export interface ApplicationBranchOptions {
  readonly opening: BranchOpening<unknown>
  readonly context: BranchContext
  readonly timers: Timers
  readonly endingTimeoutMs: number
  /** As soon as it is open, and before any work. */
  readonly onOpen: (branch: PreparedBranch) => void
}

export class ApplicationBranch {
  readonly participant: string
  readonly source: unknown
  readonly #options: ApplicationBranchOptions
  readonly #opened: Promise<OpenBranch<unknown>>
  /** What runs on the connection, or waits for it. */
  readonly #running = new Set<Promise<unknown>>()
  #branch: OpenBranch<unknown> | undefined
  #stage: Stage = 'opening'
  #stopped = false

  constructor(options: ApplicationBranchOptions) {
    this.participant = options.opening.participant
    this.source = options.opening.source
    this.#options = options
    this.#opened = this.#track(this.#open())
  }

  get busy(): boolean {
    return this.#running.size > 0
  }

  /** As the commit names it; undefined where it never opened. */
  get prepared(): PreparedBranch | undefined {
    if (this.#branch === undefined) return undefined
    const { resourceId, connectionId } = this.#branch
    const readOnly = this.#stage === 'read_only'
    return { participant: this.participant, resourceId, connectionId, readOnly }
  }

  get readOnly(): boolean {
    return this.#stage === 'read_only'
  }

  /** Of an error that the application's work threw, in the words of the branch's own resource. */
  isRetryable(error: unknown): boolean {
    return this.#branch?.isRetryable?.(error) === true
  }

  /** Runs `work` once the branch is open, beside what else runs in it. */
  use<T>(work: (handle: unknown) => Promise<T>): Promise<T> {
    return this.#track(this.#work(work))
  }

  async prepare(): Promise<void> {
    const branch = this.#branch
    if (branch === undefined || this.#stopped) throw this.#stoppedError()
    const vote = await this.#track(branch.prepare())
    // Who waited too long for it has left it meanwhile.
    if (!this.#stopped) this.#stage = vote
  }

  /** True: it has committed for sure. Of what is read-only, there is nothing left to do. */
  async commit(): Promise<boolean> {
    if (this.#stage === 'read_only') return true
    return this.#end((branch) => branch.commit())
  }

  /** True: nothing of it is left, for sure. What runs on the connection may end before; what doesn't end loses it. */
  async rollBack(): Promise<boolean> {
    this.#stopped = true
    const { timers, endingTimeoutMs } = this.#options
    const still = await settledWithin(Promise.allSettled(this.#running), endingTimeoutMs, timers)
    if (!still) return this.#abandon()
    if (this.#branch === undefined || this.#stage === 'read_only') return true
    return this.#end((branch) => branch.rollBack())
  }

  /** It stays as it is, for the daemon to end. */
  leave(): void {
    this.#stopped = true
    if (this.#branch === undefined || this.#stage === 'read_only' || this.#stage === 'ended') return
    this.#stage = 'ended'
    try {
      this.#branch.leave()
    } catch {
      // The port promises that it doesn't throw; and there is nothing else to be done with the connection.
    }
  }

  async #open(): Promise<OpenBranch<unknown>> {
    const { opening, context, onOpen } = this.#options
    const branch = await opening.open(context)
    if (this.#stopped) {
      // The transaction has ended without it: nobody else will roll this back.
      await branch.rollBack().catch(() => false)
      throw this.#stoppedError()
    }
    this.#branch = branch
    this.#stage = 'open'
    const { resourceId, connectionId } = branch
    onOpen({ participant: this.participant, resourceId, connectionId })
    return branch
  }

  async #work<T>(work: (handle: unknown) => Promise<T>): Promise<T> {
    const { handle } = await this.#opened
    if (this.#stopped) throw this.#stoppedError()
    return work(handle)
  }

  async #end(verb: (branch: OpenBranch<unknown>) => Promise<boolean>): Promise<boolean> {
    if (this.#branch === undefined || this.#stage === 'ended') return false
    this.#stage = 'ended'
    const branch = this.#branch
    const { timers, endingTimeoutMs } = this.#options
    let done = false
    const ended = (async () => {
      done = await verb(branch)
    })()
    const inTime = await settledWithin(ended, endingTimeoutMs, timers)
    return inTime && done
  }

  /** A connection that never answers is given up; one that is still to come is rolled back when it does. */
  #abandon(): boolean {
    this.leave()
    return false
  }

  #track<T>(promise: Promise<T>): Promise<T> {
    this.#running.add(promise)
    const forget = (): void => {
      this.#running.delete(promise)
    }
    promise.then(forget, forget)
    return promise
  }

  #stoppedError(): PledgedError {
    return new PledgedError(
      'INVALID_REQUEST',
      `the transaction of participant "${this.participant}"'s branch ${this.#options.context.xid} has ended: nothing is done in it any more`,
    )
  }
}
