/** The client behind `connect`. */
import type { CrashPoints } from '../../base/crash-points.ts'
import type { Limits } from '../../base/limits.ts'
import type { Clock, Random, Timers } from '../../base/ports.ts'
import type { ExecuteRequest, RequestName, TransactionView } from '../../protocol/requests.ts'
import { backoffMs } from '../dialling.ts'
import { askUntilKnown } from './asking.ts'
import type {
  Coordinator,
  ExecuteOptions,
  GetOptions,
  OpenTransaction,
  Transacted,
  Transaction,
  TransactionKey,
  TransactionOptions,
} from './coordinator.ts'
import type { Executed } from './outcome.ts'
import type { RequestCalls } from './request-calls.ts'
import {
  closedError,
  encodeBranch,
  invalid,
  requestNameOf,
  requireCount,
  requireRoom,
} from './request-options.ts'
import type { Scope } from './scope.ts'
import { Scopes } from './scopes.ts'
import type { Branches } from './work.ts'

export interface CoordinatorClientOptions {
  readonly address: string
  readonly calls: RequestCalls
  /** Transactions on the application's own connections; none without a session (R12). */
  readonly transactions: Pick<Coordinator, 'transaction' | 'begin' | 'close'> | undefined
  readonly timeoutMs: number
  readonly limits: Pick<Limits, 'backoffMinMs' | 'backoffMaxMs' | 'messageBytesMax'>
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly crashPoints: CrashPoints
}

export class CoordinatorClient implements Coordinator {
  readonly address: string
  readonly #options: CoordinatorClientOptions
  readonly #scopes: Scopes

  constructor(options: CoordinatorClientOptions) {
    this.address = options.address
    this.#options = options
    this.#scopes = new Scopes(options)
  }

  async execute(branches: Branches, options: ExecuteOptions = {}): Promise<Executed> {
    const name = this.#nameOf(options)
    const retries = options.retries ?? 0
    requireCount('retries', retries, 0)
    const work = this.#encode(branches)
    const scope = this.#scopes.open(options)
    try {
      for (let retry = 0; ; retry += 1) {
        const attempt = retry === 0 ? name : { ...name, attempt: name.attempt + retry }
        const outcome = await this.#ask(attempt, work, options, scope)
        this.#options.crashPoints.pass('application.execute.answered')
        const again = outcome.outcome === 'aborted' && outcome.retryable && retry < retries
        if (!again) return outcome
        await scope.sleep(backoffMs(retry, this.#options.limits, this.#options.random))
        // What is known is told: the next attempt would have no time left to be.
        if (scope.over) return outcome
      }
    } finally {
      this.#scopes.dispose(scope)
    }
  }

  async get(key: TransactionKey, options: GetOptions = {}): Promise<TransactionView> {
    const scope = this.#scopes.open(options)
    try {
      for (let failures = 0; ; failures += 1) {
        const tried = await this.#options.calls.get(key, scope)
        if (tried.end === 'answered') return tried.response
        if (tried.end === 'refused' && tried.error.status !== 'UNAVAILABLE') throw tried.error
        await scope.sleep(backoffMs(failures, this.#options.limits, this.#options.random))
        if (scope.cancelled !== undefined) throw scope.cancelled.reason
        if (scope.over) throw tried.error
      }
    } finally {
      this.#scopes.dispose(scope)
    }
  }

  async transaction<T>(
    work: (transaction: Transaction) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<Transacted<T>> {
    return await this.#transactions('transaction').transaction(work, options)
  }

  async begin(options?: TransactionOptions): Promise<OpenTransaction> {
    return await this.#transactions('begin').begin(options)
  }

  async close(): Promise<void> {
    this.#scopes.close()
    await this.#options.transactions?.close()
    this.#options.calls.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #ask(
    name: Required<RequestName>,
    branches: { participant: string; work: Uint8Array }[],
    options: ExecuteOptions,
    scope: Scope,
  ): Promise<Executed> {
    const request: ExecuteRequest = {
      caller: '',
      name,
      branches,
      prepareTimeoutMs: options.prepareTimeoutMs,
      waitFor: options.waitFor ?? 'decision',
    }
    const { calls, limits, random } = this.#options
    return askUntilKnown({
      name,
      address: this.address,
      scope,
      limits,
      random,
      execute: () => calls.execute(request, scope),
      look: () => calls.get({ requestId: name.requestId }, scope),
    })
  }

  #transactions(method: string): NonNullable<CoordinatorClientOptions['transactions']> {
    if (this.#scopes.closed) throw closedError()
    const { transactions } = this.#options
    if (transactions !== undefined) return transactions
    throw invalid(
      `${method}() needs a session, because its branches are enlisted before they prepare: connect without ` +
        "{ transport: 'unary' }",
    )
  }

  #nameOf(options: ExecuteOptions): Required<RequestName> {
    return requestNameOf(options, this.#options)
  }

  #encode(branches: Branches): { participant: string; work: Uint8Array }[] {
    if (!Array.isArray(branches))
      throw invalid('branches is not an array: give one { participant, work } or more')
    const encoded = branches.map(encodeBranch)
    requireRoom(encoded, this.#options.limits.messageBytesMax)
    return encoded
  }
}
