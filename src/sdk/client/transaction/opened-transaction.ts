/** The two faces of a transaction that an application sees: within a callback, and ended by hand. */
import { PledgedError } from '../../../base/errors.ts'
import type { OpenTransaction, Transaction } from '../coordinator.ts'
import type { Committed } from '../outcome.ts'
import { invalid } from '../request-options.ts'
import type { Branch } from '../work.ts'
import type { BranchOpening } from './branch.ts'
import type { RunningTransaction } from './running-transaction.ts'

export class CallbackTransaction implements Transaction {
  readonly #running: RunningTransaction

  constructor(running: RunningTransaction) {
    this.#running = running
  }

  get xid(): string {
    return this.#running.xid
  }

  get signal(): AbortSignal {
    return this.#running.signal
  }

  add(branch: Branch): void {
    this.#running.add(branch)
  }

  branch<Handle, T>(opening: BranchOpening<Handle>, work: (handle: Handle) => Promise<T>): Promise<T> {
    return this.#running.branch(opening, work)
  }
}

export class OpenedTransaction extends CallbackTransaction implements OpenTransaction {
  readonly #running: RunningTransaction
  /** By which of its methods the application has ended it. */
  #endedBy: 'commit' | 'abort' | undefined

  constructor(running: RunningTransaction) {
    super(running)
    this.#running = running
  }

  async commit(): Promise<Committed> {
    if (this.#endedBy !== undefined) {
      throw invalid(
        `${this.#endedBy}() of transaction ${this.xid} was called before: a transaction ends once`,
      )
    }
    this.#endedBy = 'commit'
    const ending = await this.#running.commit()
    if (ending.kind === 'committed') return ending.committed
    throw ending.error
  }

  async abort(): Promise<void> {
    const { state } = this.#running
    const kind = await this.#abort()
    if (kind === 'failed' || state === 'ended') return
    throw new PledgedError(
      'TRANSACTION_DECIDED',
      `transaction ${this.xid} was being committed when abort() was called, and may not be undone: commit() tells its outcome`,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#abort()
  }

  async #abort(): Promise<'committed' | 'failed' | 'unknown'> {
    this.#endedBy ??= 'abort'
    const error = invalid(`transaction ${this.xid} was aborted by abort(), or left without a commit()`)
    const ending = await this.#running.rollBack({ error, retryable: false, seen: false })
    return ending.kind
  }
}
