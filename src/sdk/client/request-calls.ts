/** The port between the client and what carries its requests: calls of their own, or a session. */
import type { ExecuteRequest, TransactionView } from '../../protocol/requests.ts'
import type { TransactionKey } from './coordinator.ts'
import type { OutcomeAnswer } from './outcome.ts'
import type { Scope } from './scope.ts'
import type { Try } from './try.ts'

/** Each asks once; no method rejects. */
export interface RequestCalls {
  execute(request: ExecuteRequest, scope: Scope): Promise<Try<OutcomeAnswer>>
  get(key: TransactionKey, scope: Scope): Promise<Try<TransactionView>>
  close(): void
}
