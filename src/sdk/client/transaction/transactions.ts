/**
 * Transactions on the application's own connections: begun over the session, tried again where that may help, each under
 * an xid of its own. It knows no transport, no clock and no chance but its ports': the simulator runs this very code.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { ChurningSet } from '../../../base/churning.ts'
import type { PledgedError } from '../../../base/errors.ts'
import type { RequestName } from '../../../protocol/requests.ts'
import { backoffMs } from '../../dialling.ts'
import type { OpenTransaction, Transacted, Transaction, TransactionOptions } from '../coordinator.ts'
import type { Committed } from '../outcome.ts'
import { invalid, neverReachedError, requestNameOf, requireCount } from '../request-options.ts'
import type { Scope } from '../scope.ts'
import { Scopes } from '../scopes.ts'
import type { BegunTransaction } from '../session/sessions.ts'
import type { Try } from '../try.ts'
import { CallbackTransaction, OpenedTransaction } from './opened-transaction.ts'
import type { TransactionPorts } from './ports.ts'
import { RunningTransaction } from './running-transaction.ts'
import { committedOf, type Ending } from './transaction-ending.ts'

export interface TransactionsOptions extends TransactionPorts {
  /** The time that a transaction gets unless it says otherwise. */
  readonly timeoutMs: number
}

type Work<T> = (transaction: Transaction) => Promise<T>

/** What the callback came back with; undefined while it hasn't, or where it threw. */
interface Returned<T> {
  value: { readonly value: T } | undefined
}

export class Transactions {
  readonly #options: TransactionsOptions
  readonly #scopes: Scopes
  readonly #running = new ChurningSet<RunningTransaction>()
  readonly #closing = new AbortController()
  /** The transaction in whose callback the code runs. */
  readonly #ambient = new AsyncLocalStorage<RunningTransaction>()

  constructor(options: TransactionsOptions) {
    this.#options = options
    this.#scopes = new Scopes(options)
  }

  async transaction<T>(work: Work<T>, options: TransactionOptions = {}): Promise<Transacted<T>> {
    this.#requireOutside('transaction')
    const name = requestNameOf(options, this.#options)
    const retries = options.retries ?? 0
    requireCount('retries', retries, 0)
    const scope = this.#scopes.open(options)
    try {
      // A name that was just drawn is known to nobody.
      const known = options.requestId === undefined ? undefined : await this.#committedBefore(name, scope)
      if (known !== undefined) return { ...known, replayed: true, value: undefined }
      return await this.#runUntilEnded(work, name, { ...options, retries }, scope)
    } finally {
      this.#scopes.dispose(scope)
    }
  }

  async begin(options: TransactionOptions = {}): Promise<OpenTransaction> {
    this.#requireOutside('begin')
    const name = requestNameOf(options, this.#options)
    if ((options.retries ?? 0) !== 0) {
      throw invalid('begin() can not run anything again, so it takes no `retries`: use transaction()')
    }
    const scope = this.#scopes.open(options)
    try {
      const running = await this.#start(name, options, scope)
      const dispose = (): void => this.#scopes.dispose(scope)
      running.over.then(dispose, dispose)
      return new OpenedTransaction(running)
    } catch (error) {
      this.#scopes.dispose(scope)
      throw error
    }
  }

  /** What is under way ends as if its signal fired. Resolves when that has; then its session may end. */
  async close(): Promise<void> {
    this.#scopes.close()
    await Promise.allSettled([...this.#running].map((running) => running.over))
    this.#closing.abort()
  }

  async #runUntilEnded<T>(
    work: Work<T>,
    name: Required<RequestName>,
    options: TransactionOptions & { readonly retries: number },
    scope: Scope,
  ): Promise<Transacted<T>> {
    for (let retry = 0; ; retry += 1) {
      const attempt = { ...name, attempt: name.attempt + retry }
      const returned: Returned<T> = { value: undefined }
      const ending = await this.#runOnce(work, attempt, options, scope, returned)
      if (ending.kind === 'committed') return transactedOf(ending.committed, returned)
      const again = ending.kind === 'failed' && ending.retryable && retry < options.retries
      if (!again) throw ending.error
      await scope.sleep(backoffMs(retry, this.#options.limits, this.#options.random))
      // What is known is told: the next attempt would have no time left to be.
      if (scope.over) throw ending.error
    }
  }

  async #runOnce<T>(
    work: Work<T>,
    name: Required<RequestName>,
    options: TransactionOptions,
    scope: Scope,
    returned: Returned<T>,
  ): Promise<Ending> {
    const running = await this.#start(name, options, scope)
    let isBack = false
    const worked = this.#ambient.run(running, async () => {
      try {
        returned.value = { value: await work(new CallbackTransaction(running)) }
        isBack = true
        return running.commit()
      } catch (error) {
        isBack = true
        return running.fail(error)
      }
    })
    // A callback that doesn't hear that its time is over isn't waited for.
    const givenUp = running.over.then((ending) => (isBack ? worked : ending))
    return Promise.race([worked, givenUp])
  }

  async #start(
    name: Required<RequestName>,
    { prepareTimeoutMs }: TransactionOptions,
    scope: Scope,
  ): Promise<RunningTransaction> {
    const begun = await this.#begun(scope)
    const closing = this.#closing.signal
    const ports = this.#options
    const running = new RunningTransaction({ begun, name, prepareTimeoutMs, scope, ports, closing })
    this.#running.add(running)
    const forget = (): void => {
      this.#running.delete(running)
    }
    running.over.then(forget, forget)
    return running
  }

  #begun(scope: Scope): Promise<BegunTransaction> {
    const { sessions } = this.#options
    return this.#reach(scope, () => sessions.begin(scope), throwIt)
  }

  /** Undefined where nothing is known under that name, or nothing that would keep it from running. */
  async #committedBefore(name: Required<RequestName>, scope: Scope): Promise<Committed | undefined> {
    const { sessions } = this.#options
    const { requestId } = name
    const view = await this.#reach(
      scope,
      () => sessions.get({ caller: '', requestId }, scope),
      (refusal) => {
        if (refusal.code === 'REQUEST_NOT_FOUND') return undefined
        throw refusal
      },
    )
    if (view?.outcome !== 'committed') return undefined
    const complete = view.state === 'committed'
    return committedOf({ ...view, transaction: view }, name, { replayed: true, complete })
  }

  /** Asks what changes nothing, until it is answered or the caller's time is over. */
  async #reach<Response, Instead>(
    scope: Scope,
    ask: () => Promise<Try<Response>>,
    onRefused: (refusal: PledgedError) => Instead,
  ): Promise<Response | Instead> {
    const { limits, random, address } = this.#options
    for (let failures = 0; ; failures += 1) {
      const tried = await ask()
      if (tried.end === 'answered') return tried.response
      if (tried.end === 'refused' && tried.error.status !== 'UNAVAILABLE') return onRefused(tried.error)
      await scope.sleep(backoffMs(failures, limits, random))
      if (scope.cancelled !== undefined) throw scope.cancelled.reason
      if (scope.over) throw neverReachedError(address, scope.timeoutMs, tried.error)
    }
  }

  #requireOutside(method: string): void {
    const outer = this.#ambient.getStore()
    if (outer === undefined || outer.state === 'ended') return
    throw invalid(
      `${method}() was called within the callback of transaction ${outer.xid}: they would not commit together, and may ` +
        'wait for each other. Use the outer transaction, or call it after that one has ended',
    )
  }
}

/** A replayed one has committed what another run of the callback did: this one's value is of something undone. */
function transactedOf<T>(committed: Committed, { value }: Returned<T>): Transacted<T> {
  if (committed.replayed || value === undefined) return { ...committed, replayed: true, value: undefined }
  return { ...committed, replayed: false, value: value.value }
}

function throwIt(error: PledgedError): never {
  throw error
}
