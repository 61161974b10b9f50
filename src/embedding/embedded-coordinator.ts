/** The coordinator in the application's own process: the application's client of it, and what ends it. */
import { PledgedError } from '../base/errors.ts'
import type { StatusView } from '../coordinator/views.ts'
import type { TransactionView } from '../protocol/requests.ts'
import type {
  Branches,
  Coordinator,
  Executed,
  ExecuteOptions,
  GetOptions,
  OpenTransaction,
  Transacted,
  Transaction,
  TransactionKey,
  TransactionOptions,
} from '../sdk/client/index.ts'
import type { Assembly } from './assembly.ts'
import type { Drained } from './drained.ts'

export interface EmbeddedCoordinator extends Coordinator {
  /** Resolves if the log fails: nothing is decided from then on (requests are refused, `get` answers). Close it, and open it again. */
  readonly failed: Promise<PledgedError>
  /** How it is: its log, what is in flight and in doubt, its participants. */
  status(): StatusView
  /**
   * Takes nothing new, and lets what is under way end, for `limits.drainTimeoutMs` at the most; what has no decision by four
   * fifths of that is aborted. Resolves with what is left, which is delivered after the next opening.
   */
  drain(): Promise<Drained>
  /**
   * Calls under way end as if their signals fired. Decisions are delivered for `limits.drainTimeoutMs` at the most, as `drain`
   * would; then the participants, the server and the log are closed. To have calls under way answered, `drain` first.
   */
  close(): Promise<void>
}

/** @internal */
export interface EmbeddedOptions {
  readonly assembly: Assembly
  readonly client: Coordinator
  readonly drainTimeoutMs: number
}

/** @internal */
export class AssembledCoordinator implements EmbeddedCoordinator {
  readonly #assembly: Assembly
  readonly #client: Coordinator
  readonly #drainTimeoutMs: number
  #draining: Promise<Drained> | undefined
  #closing: Promise<void> | undefined

  constructor({ assembly, client, drainTimeoutMs }: EmbeddedOptions) {
    this.#assembly = assembly
    this.#client = client
    this.#drainTimeoutMs = drainTimeoutMs
  }

  get address(): string {
    return this.#client.address
  }

  get failed(): Promise<PledgedError> {
    return this.#assembly.failed
  }

  async execute(branches: Branches, options?: ExecuteOptions): Promise<Executed> {
    this.#requireOpen()
    return await this.#client.execute(branches, options)
  }

  async get(key: TransactionKey, options?: GetOptions): Promise<TransactionView> {
    this.#requireUnclosed()
    return await this.#client.get(key, options)
  }

  async transaction<T>(
    work: (transaction: Transaction) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<Transacted<T>> {
    this.#requireOpen()
    return await this.#client.transaction(work, options)
  }

  async begin(options?: TransactionOptions): Promise<OpenTransaction> {
    this.#requireOpen()
    return await this.#client.begin(options)
  }

  status(): StatusView {
    return this.#assembly.coordinator.status()
  }

  drain(): Promise<Drained> {
    this.#draining ??= this.#assembly.drain(this.#drainTimeoutMs)
    return this.#draining
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    await this.#client.close()
    await this.drain()
    await this.#assembly.stop()
  }

  /** Elsewhere a daemon that refuses is started again, and asking again helps. Here nobody will. */
  #requireOpen(): void {
    this.#requireUnclosed()
    const refusal = this.#assembly.refusal()
    if (refusal !== undefined) throw refusal
  }

  #requireUnclosed(): void {
    if (this.#closing === undefined) return
    throw new PledgedError(
      'UNAVAILABLE',
      'this coordinator was closed: openCoordinator() opens its log again',
    )
  }
}
