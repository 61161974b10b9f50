/** The client's requests over a session. */
import type { ExecuteRequest, TransactionView } from '../../protocol/requests.ts'
import type { TransactionKey } from './coordinator.ts'
import { type OutcomeAnswer, outcomeAnswer } from './outcome.ts'
import type { RequestCalls } from './request-calls.ts'
import type { Scope } from './scope.ts'
import type { Sessions } from './session/sessions.ts'
import type { Try } from './try.ts'

export class SessionCalls implements RequestCalls {
  readonly #sessions: Sessions

  constructor(sessions: Sessions) {
    this.#sessions = sessions
  }

  async execute(request: ExecuteRequest, scope: Scope): Promise<Try<OutcomeAnswer>> {
    const tried = await this.#sessions.execute(request, scope)
    if (tried.end !== 'answered') return tried
    return { end: 'answered', response: outcomeAnswer(tried.response, request.name) }
  }

  get(key: TransactionKey, scope: Scope): Promise<Try<TransactionView>> {
    return this.#sessions.get({ caller: '', ...key }, scope)
  }

  close(): void {
    this.#sessions.close()
  }
}
