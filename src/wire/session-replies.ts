/** What an application is answered in its session, to and from the stream's messages. */
import { unreachable } from '../base/assert.ts'
import { ERROR_CODES, type ErrorCode, PledgedError } from '../base/errors.ts'
import { xidOf } from '../base/ids.ts'
import type { Answer, Outcome, TransactionState, TransactionView } from '../protocol/requests.ts'
import type { SessionAnswer, SessionCall, SessionReply } from '../protocol/session-messages.ts'
import { type BatchCodec, type BatchDraft, ITEM_OVERHEAD_BYTES, textBytesMax } from './batch.ts'
import { abortCauses, outcomes, transactionStates } from './enums.ts'
import { failureToProto } from './errors.ts'
import type { Failure } from './generated/pledged/v1/stream.ts'
import type { Transaction } from './generated/pledged/v1/transaction.ts'
import * as proto from './generated/pledged/v1/transaction_service.ts'
import { leaseFromProto, leaseToProto } from './session-opening.ts'
import { boundedText } from './text.ts'
import { transactionFromProto, transactionToProto } from './transactions.ts'

/** What a call is answered with, without the parts that its caller doesn't look at. */
export function sessionAnswerOf(
  call: Extract<SessionCall, { readonly type: 'execute' | 'commit' | 'abort' | 'get' }>,
  answer: Answer,
): SessionAnswer {
  const { transaction, replayed } = answer
  const { xid, state, outcome, abortCause, abortMessage, retryable, heuristic } = transaction
  const short = { xid, state, outcome, abortCause, abortMessage, retryable, heuristic, replayed }
  return replayed || heuristic || asksForAll(call) ? { ...short, transaction } : short
}

function asksForAll(call: SessionCall): boolean {
  if (call.type === 'execute' || call.type === 'commit') return call.request.waitFor === 'completion'
  return call.type === 'get'
}

export const sessionReplyBatches: BatchCodec<SessionReply, proto.OpenSessionResponse> = {
  start: () => new ReplyDraft(),
  bytesOf,
}

/** Answers keep their order, and leases theirs; neither says anything of what the other is about. */
class ReplyDraft implements BatchDraft<SessionReply, proto.OpenSessionResponse> {
  readonly #batch: proto.SessionResponseBatch = proto.SessionResponseBatch.create()

  add(reply: SessionReply): boolean {
    if (reply.type !== 'lease') {
      this.#batch.answers.push(replyToProto(reply))
      return true
    }
    if (this.#batch.lease !== undefined) return false
    this.#batch.lease = leaseToProto(reply.lease)
    return true
  }

  finish(): proto.OpenSessionResponse {
    return { body: { $case: 'batch', value: this.#batch } }
  }
}

function replyToProto(reply: Exclude<SessionReply, { readonly type: 'lease' }>): proto.SessionAnswer {
  const blank = proto.SessionAnswer.create()
  blank.callId = reply.callId
  switch (reply.type) {
    case 'enlisted':
      return blank
    case 'refusal':
      blank.failure = failureToProto(reply.error)
      return blank
    case 'answer':
      return answerToProto(reply.callId, reply.answer)
    default:
      return unreachable(reply)
  }
}

function answerToProto(callId: number, answer: SessionAnswer): proto.SessionAnswer {
  return {
    callId,
    failure: undefined,
    xid: answer.xid,
    outcome: outcomes.toProto(answer.outcome),
    abortCause: answer.abortCause === undefined ? 0 : abortCauses.toProto(answer.abortCause),
    abortMessage: boundedText(answer.abortMessage),
    abortRetryable: answer.retryable,
    replayed: answer.replayed,
    transaction: answer.transaction === undefined ? undefined : transactionToProto(answer.transaction),
    state: transactionStates.toProto(answer.state),
  }
}

/** Throws MALFORMED_XID or INVALID_REQUEST: what sends them isn't a coordinator. */
export function sessionReplies(batch: proto.SessionResponseBatch): SessionReply[] {
  const replies = batch.answers.map(replyFromProto)
  if (batch.lease !== undefined) replies.push({ type: 'lease', lease: leaseFromProto(batch.lease) })
  return replies
}

function replyFromProto(message: proto.SessionAnswer): SessionReply {
  const { callId, failure } = message
  if (failure !== undefined) return { type: 'refusal', callId, error: errorFromFailure(failure) }
  // Only an enlist is answered without a transaction.
  if (message.xid === '' && message.outcome === 0 && message.state === 0) return { type: 'enlisted', callId }
  return { type: 'answer', callId, answer: answerFromMessage(message) }
}

function answerFromMessage(message: proto.SessionAnswer): SessionAnswer {
  // Never rounded: an outcome that isn't understood isn't known.
  const outcome = outcomes.fromProto(message.outcome) ?? 'unknown'
  const transaction = message.transaction === undefined ? undefined : viewFromProto(message.transaction)
  return {
    xid: xidOf(message.xid),
    state: transactionStates.fromProto(message.state) ?? EARLIEST_STATE[outcome],
    outcome,
    abortCause: abortCauses.fromProto(message.abortCause),
    abortMessage: message.abortMessage,
    retryable: message.abortRetryable,
    heuristic: message.transaction?.heuristic ?? false,
    replayed: message.replayed,
    ...(transaction !== undefined && { transaction }),
  }
}

/** For a state that this version has no word for: what the outcome alone says. */
const EARLIEST_STATE: Readonly<Record<Outcome, TransactionState>> = {
  pending: 'preparing',
  unknown: 'preparing',
  committed: 'committing',
  aborted: 'aborting',
}

/** A newer coordinator may say more of it than can be understood here: the outcome beside it counts all the same. */
function viewFromProto(message: Transaction): TransactionView | undefined {
  try {
    return transactionFromProto(message)
  } catch {
    return undefined
  }
}

/** A reason that this version doesn't know still means that the call was not accepted. */
function errorFromFailure(failure: Failure): PledgedError {
  const { reason, message, metadata } = failure
  const code = Object.hasOwn(ERROR_CODES, reason) ? (reason as ErrorCode) : 'INTERNAL'
  return new PledgedError(code, boundedText(message), { metadata })
}

function bytesOf(reply: SessionReply): number {
  switch (reply.type) {
    case 'lease':
    case 'enlisted':
      return ITEM_OVERHEAD_BYTES
    case 'refusal':
      return refusalBytes(reply.error)
    case 'answer':
      return answerBytes(reply.answer)
    default:
      return unreachable(reply)
  }
}

function refusalBytes(error: PledgedError): number {
  let bytes = 2 * ITEM_OVERHEAD_BYTES + error.code.length + textBytesMax(boundedText(error.message))
  for (const [key, value] of Object.entries(error.metadata)) {
    bytes += ITEM_OVERHEAD_BYTES + textBytesMax(key) + textBytesMax(boundedText(value))
  }
  return bytes
}

function answerBytes(answer: SessionAnswer): number {
  const { xid, abortMessage, transaction } = answer
  const bytes = ITEM_OVERHEAD_BYTES + xid.length + textBytesMax(boundedText(abortMessage))
  return transaction === undefined ? bytes : bytes + transactionBytes(transaction)
}

function transactionBytes(view: TransactionView): number {
  const { xid, abortMessage, requestId, traceparent } = view
  const texts = xid.length + textBytesMax(abortMessage) + textBytesMax(requestId) + textBytesMax(traceparent)
  let bytes = 4 * ITEM_OVERHEAD_BYTES + texts
  for (const { participant, vote, lastError, cost } of view.branches) {
    const message = vote?.vote === 'no' ? boundedText(vote.message) : ''
    const text = participant + message + (lastError?.message ?? '') + boundedText(cost ?? '')
    bytes += 4 * ITEM_OVERHEAD_BYTES + textBytesMax(text)
  }
  for (const { participant, message } of view.timeline) {
    bytes += 2 * ITEM_OVERHEAD_BYTES + textBytesMax(participant) + textBytesMax(message)
  }
  return bytes
}
