/** How one attempt of a transaction ended, as data: whoever ran it decides whether to throw, or to try again. */
import type { RequestName } from '../../../protocol/requests.ts'
import type { SessionAnswer } from '../../../protocol/session-messages.ts'
import { type Committed, type OutcomeUnknownError, TransactionAbortedError } from '../outcome.ts'

export type Ending =
  | { readonly kind: 'committed'; readonly committed: Committed }
  | {
      readonly kind: 'failed'
      readonly error: unknown
      /** The reason may be gone at the next attempt. */
      readonly retryable: boolean
      /** The application's code has had the error: what it throws is thrown in its place. */
      readonly seen: boolean
    }
  | { readonly kind: 'unknown'; readonly error: OutcomeUnknownError }

type CommittedAnswer = Pick<SessionAnswer, 'xid' | 'heuristic' | 'transaction'>

export function committedOf(
  answer: CommittedAnswer,
  name: Required<RequestName>,
  how: { readonly replayed: boolean; readonly complete: boolean },
): Committed {
  const { requestId } = name
  const attempt = answer.transaction?.attempt || name.attempt
  const { xid, heuristic } = answer
  return { outcome: 'committed', xid, requestId, attempt, heuristic, ...how }
}

export function abortedEnding(answer: SessionAnswer, name: Required<RequestName>): Ending {
  const { xid, retryable } = answer
  const error = new TransactionAbortedError({
    xid,
    name,
    cause: answer.abortCause,
    why:
      answer.abortMessage === ''
        ? (answer.abortCause ?? 'the daemon has no record of it')
        : answer.abortMessage,
    retryable,
  })
  return { kind: 'failed', error, retryable, seen: false }
}
