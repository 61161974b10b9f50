/** The client behind `connect`. */
import { assert } from '../../base/assert.ts'
import type { CrashPoints } from '../../base/crash-points.ts'
import { PledgedError } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import type { Clock, Random, Timers } from '../../base/ports.ts'
import type { Answer, RequestName, TransactionView } from '../../protocol/requests.ts'
import type { TransactionServiceClient } from '../../wire/generated/pledged/v1/transaction_service.ts'
import { answerFromProto, executeToProto, getToProto } from '../../wire/index.ts'
import { backoffMs, type DiallingLimits } from '../dialling.ts'
import { askUntilKnown } from './asking.ts'
import { type StartCall, type Try, tryCall } from './calls.ts'
import type { Coordinator, ExecuteOptions, GetOptions, TransactionKey } from './coordinator.ts'
import type { Executed } from './outcome.ts'
import { Scope } from './scope.ts'
import { type Branches, encodeWork } from './work.ts'

export interface CoordinatorClientOptions {
  readonly address: string
  readonly client: TransactionServiceClient
  readonly timeoutMs: number
  readonly limits: DiallingLimits & Pick<Limits, 'connectTimeoutMs'>
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly crashPoints: CrashPoints
}

type ExecuteMessage = ReturnType<typeof executeToProto>

/** Bytes of a request apart from its work, generously. */
const REQUEST_OVERHEAD_BYTES = 64 << 10

export class CoordinatorClient implements Coordinator {
  readonly address: string
  readonly #options: CoordinatorClientOptions
  readonly #scopes = new Set<Scope>()
  #closed = false

  constructor(options: CoordinatorClientOptions) {
    this.address = options.address
    this.#options = options
  }

  async execute(branches: Branches, options: ExecuteOptions = {}): Promise<Executed> {
    const name = this.#nameOf(options)
    const retries = options.retries ?? 0
    requireCount('retries', retries, 0)
    const work = this.#encode(branches)
    return this.#within(options, async (scope) => {
      for (let retry = 0; ; retry += 1) {
        const attempt = { ...name, attempt: name.attempt + retry }
        const outcome = await this.#ask(attempt, work, options, scope)
        const again = outcome.outcome === 'aborted' && outcome.retryable && retry < retries
        if (!again) return outcome
        await scope.sleep(backoffMs(retry, this.#options.limits, this.#options.random))
        // What is known is told: the next attempt would have no time left to be.
        if (scope.over) return outcome
      }
    })
  }

  async get(key: TransactionKey, options: GetOptions = {}): Promise<TransactionView> {
    return this.#within(options, async (scope) => {
      for (let failures = 0; ; failures += 1) {
        const tried = await this.#look(key, scope)
        if (tried.end === 'answered') return tried.response.transaction
        if (tried.end === 'refused' && tried.error.status !== 'UNAVAILABLE') throw tried.error
        await scope.sleep(backoffMs(failures, this.#options.limits, this.#options.random))
        if (scope.cancelled !== undefined) throw scope.cancelled.reason
        if (scope.over) throw tried.error
      }
    })
  }

  close(): Promise<void> {
    this.#closed = true
    for (const scope of this.#scopes) scope.cancel(closedError())
    this.#options.client.close()
    return Promise.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #ask(
    name: Required<RequestName>,
    branches: { participant: string; work: Uint8Array }[],
    options: ExecuteOptions,
    scope: Scope,
  ): Promise<Executed> {
    const message = executeToProto({
      caller: '',
      name,
      branches,
      prepareTimeoutMs: options.prepareTimeoutMs,
      waitFor: options.waitFor ?? 'decision',
    })
    const { limits, random } = this.#options
    const outcome = await askUntilKnown({
      name,
      address: this.address,
      scope,
      limits,
      random,
      execute: () => this.#execute(message, scope),
      look: () => this.#look({ requestId: name.requestId }, scope),
    })
    this.#options.crashPoints.pass('application.execute.answered')
    return outcome
  }

  #execute(message: ExecuteMessage, scope: Scope): Promise<Try<Answer>> {
    const { client, timers, crashPoints } = this.#options
    return this.#try(
      scope,
      (...rest) => client.executeTransaction(message, ...rest),
      () => {
        // The bytes leave this process in the turns after this one.
        timers.soon(() => timers.soon(() => crashPoints.pass('application.execute.sent')))
      },
    )
  }

  #look(key: TransactionKey, scope: Scope): Promise<Try<Answer>> {
    const message = getToProto(
      'xid' in key ? { caller: '', xid: key.xid } : { caller: '', requestId: key.requestId },
    )
    return this.#try(scope, (...rest) => this.#options.client.getTransaction(message, ...rest))
  }

  async #try(
    scope: Scope,
    start: StartCall<Parameters<typeof answerFromProto>[0]>,
    onSent?: () => void,
  ): Promise<Try<Answer>> {
    const { client, limits } = this.#options
    const { connectTimeoutMs } = limits
    const tried = await tryCall({ client, address: this.address, scope, connectTimeoutMs, start, onSent })
    if (tried.end !== 'answered') return tried
    try {
      return { end: 'answered', response: answerFromProto(tried.response) }
    } catch (error) {
      // It answered, and we can't read what: it may have run.
      return { end: 'lost', error: PledgedError.from(error), sent: true }
    }
  }

  async #within<Result>(options: GetOptions, run: (scope: Scope) => Promise<Result>): Promise<Result> {
    if (this.#closed) throw closedError()
    const { clock, timers } = this.#options
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs
    requireTimeout('timeoutMs', timeoutMs)
    options.signal?.throwIfAborted()
    const scope = new Scope({ timeoutMs, signal: options.signal, clock, timers })
    this.#scopes.add(scope)
    try {
      return await run(scope)
    } finally {
      this.#scopes.delete(scope)
      scope.dispose()
    }
  }

  #nameOf(options: ExecuteOptions): Required<RequestName> {
    const { attempt = 1, firstSentTime } = options
    requireCount('attempt', attempt, 1)
    if (options.prepareTimeoutMs !== undefined) requireTimeout('prepareTimeoutMs', options.prepareTimeoutMs)
    const firstSentTimeMs = firstSentTime?.getTime() ?? this.#options.clock.wallMs()
    if (Number.isNaN(firstSentTimeMs)) throw invalid('firstSentTime is not a valid date')
    return { requestId: options.requestId ?? newRequestId(), attempt, firstSentTimeMs }
  }

  #encode(branches: Branches): { participant: string; work: Uint8Array }[] {
    if (!Array.isArray(branches))
      throw invalid('branches is not an array: give one { participant, work } or more')
    const encoded = branches.map((branch) => {
      if (typeof branch !== 'object' || branch === null || typeof branch.participant !== 'string') {
        throw invalid('a branch is { participant, work }, and participant a string')
      }
      return { participant: branch.participant, work: encodeWork(branch) }
    })
    let bytes = REQUEST_OVERHEAD_BYTES
    for (const { work } of encoded) bytes += work.byteLength
    const bytesMax = this.#options.limits.messageBytesMax
    if (bytes <= bytesMax) return encoded
    throw new PledgedError(
      'WORK_TOO_LARGE',
      `the branches' work takes ${bytes} bytes together; a request carries ${bytesMax}: split the transaction`,
    )
  }
}

function requireTimeout(field: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return
  throw invalid(`${field} is ${value}: it has to be a positive number of milliseconds`)
}

function requireCount(field: string, value: number, min: number): void {
  assert(min >= 0, 'counts have no sign')
  if (Number.isSafeInteger(value) && value >= min && value < 2 ** 31) return
  throw invalid(`${field} is ${value}: it has to be an integer from ${min}`)
}

function invalid(message: string): PledgedError {
  return new PledgedError('INVALID_REQUEST', message)
}

function closedError(): PledgedError {
  return new PledgedError('UNAVAILABLE', 'this client was closed: connect() makes another')
}

/** Begins with the time, so that the log's index of requests grows at its end and not all over. */
function newRequestId(): string {
  return `${Date.now().toString(36)}-${crypto.randomUUID()}`
}
