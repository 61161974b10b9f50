/** What a reply means to the call that asked for it. One of the wrong kind is no answer: the call may have run. */
import { type ErrorCode, PledgedError } from '../../../base/errors.ts'
import type { TransactionView } from '../../../protocol/requests.ts'
import type { SessionAnswer, SessionReply } from '../../../protocol/session-messages.ts'
import type { Try } from '../try.ts'

/** These don't say that the call was not accepted. */
const NO_REFUSALS: ReadonlySet<ErrorCode> = new Set(['INTERNAL', 'OUTCOME_UNKNOWN'])

export function answerIn(reply: SessionReply): Try<SessionAnswer> {
  return reply.type === 'answer' ? { end: 'answered', response: reply.answer } : otherwise(reply)
}

export function viewIn(reply: SessionReply): Try<TransactionView> {
  const answered = answerIn(reply)
  if (answered.end !== 'answered') return answered
  const { transaction } = answered.response
  if (transaction !== undefined) return { end: 'answered', response: transaction }
  return misunderstood('the answer lacks the transaction that was asked for')
}

export function enlistedIn(reply: SessionReply): Try<void> {
  return reply.type === 'enlisted' ? { end: 'answered', response: undefined } : otherwise(reply)
}

function otherwise(reply: SessionReply): Try<never> {
  if (reply.type !== 'refusal') return misunderstood(`the answer is of another call's kind (${reply.type})`)
  const { error } = reply
  return NO_REFUSALS.has(error.code) ? { end: 'lost', error, sent: true } : { end: 'refused', error }
}

function misunderstood(what: string): Try<never> {
  const error = new PledgedError('INTERNAL', `the coordinator's answer is not understood: ${what}`)
  return { end: 'lost', error, sent: true }
}
