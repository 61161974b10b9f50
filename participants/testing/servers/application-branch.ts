/**
 * For the tests of branches on the application's own connections: a transaction that has one branch, and hands it out, so
 * that a test can call each step by itself.
 */

import type { BranchOpening, OpenBranch, Transaction } from '../../../src/sdk/client/index.ts'
import type { Xid } from '../../../src/sdk/participant/index.ts'

export interface TestTransactionOptions {
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export class TestTransaction implements Transaction {
  readonly xid: Xid
  readonly signal: AbortSignal
  readonly #timeoutMs: number
  #branch: OpenBranch<unknown> | undefined

  constructor(xid: Xid, options: TestTransactionOptions = {}) {
    this.xid = xid
    this.signal = options.signal ?? new AbortController().signal
    this.#timeoutMs = options.timeoutMs ?? 20_000
  }

  get branchOpened(): OpenBranch<unknown> {
    if (this.#branch === undefined) throw new Error('no branch was opened')
    return this.#branch
  }

  add(): void {
    throw new Error('not for these tests')
  }

  async branch<Handle, T>(opening: BranchOpening<Handle>, work: (handle: Handle) => Promise<T>): Promise<T> {
    const { xid, signal } = this
    const { participant } = opening
    this.#branch ??= await opening.open({ xid, participant, timeoutMs: this.#timeoutMs, signal })
    return work(this.#branch.handle as Handle)
  }

  prepare(): Promise<'prepared' | 'read_only'> {
    return this.branchOpened.prepare()
  }

  commit(): Promise<boolean> {
    return this.branchOpened.commit()
  }

  rollBack(): Promise<boolean> {
    return this.branchOpened.rollBack()
  }

  leave(): void {
    this.branchOpened.leave()
  }
}
