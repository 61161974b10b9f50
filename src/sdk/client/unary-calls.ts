/** The client's requests as calls of their own, over one connection that gRPC keeps up. */
import type { CrashPoints } from '../../base/crash-points.ts'
import { PledgedError } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import type { Timers } from '../../base/ports.ts'
import type { Access } from '../../dialling/index.ts'
import type { Answer, ExecuteRequest, TransactionView } from '../../protocol/requests.ts'
import {
  answerFromProto,
  executeToProto,
  getToProto,
  type TransactionServiceClient,
} from '../../wire/index.ts'
import { type StartCall, tryCall } from './calls.ts'
import type { TransactionKey } from './coordinator.ts'
import type { RequestCalls } from './request-calls.ts'
import type { Scope } from './scope.ts'
import type { Try } from './try.ts'

export interface UnaryCallsOptions {
  readonly address: string
  readonly client: TransactionServiceClient
  readonly access: Access
  readonly limits: Pick<Limits, 'connectTimeoutMs'>
  readonly timers: Timers
  readonly crashPoints: CrashPoints
}

export class UnaryCalls implements RequestCalls {
  readonly #options: UnaryCallsOptions

  constructor(options: UnaryCallsOptions) {
    this.#options = options
  }

  execute(request: ExecuteRequest, scope: Scope): Promise<Try<Answer>> {
    const { client, timers, crashPoints } = this.#options
    const message = executeToProto(request)
    return this.#try(
      scope,
      (...rest) => client.executeTransaction(message, ...rest),
      () => {
        // The bytes leave this process in the turns after this one.
        timers.soon(() => timers.soon(() => crashPoints.pass('application.execute.sent')))
      },
    )
  }

  async get(key: TransactionKey, scope: Scope): Promise<Try<TransactionView>> {
    const message = getToProto({ caller: '', ...key })
    const tried = await this.#try(scope, (...rest) => this.#options.client.getTransaction(message, ...rest))
    return tried.end === 'answered' ? { end: 'answered', response: tried.response.transaction } : tried
  }

  close(): void {
    this.#options.client.close()
  }

  async #try(
    scope: Scope,
    start: StartCall<Parameters<typeof answerFromProto>[0]>,
    onSent?: () => void,
  ): Promise<Try<Answer>> {
    const { client, access, address, limits } = this.#options
    const { connectTimeoutMs } = limits
    const tried = await tryCall({ client, access, address, scope, connectTimeoutMs, start, onSent })
    if (tried.end !== 'answered') return tried
    try {
      return { end: 'answered', response: answerFromProto(tried.response) }
    } catch (error) {
      // It answered, and we can't read what: it may have run.
      return { end: 'lost', error: PledgedError.from(error), sent: true }
    }
  }
}
