/** What may be answered to anything at all. */
import assert from 'node:assert/strict'
import type { RawAnswer } from './raw-calls.ts'
import { STACK_TRACE } from './watched-process.ts'

const OK = 0
const UNKNOWN = 2
const INTERNAL = 13
/** A sentence of ours has at most 1,024 characters; gRPC's own are short. */
const MESSAGE_LENGTH_MAX = 1_100

/** To a message in a good frame: an answer, or a refusal that says why, in time. */
export function requireAnswer(answer: RawAnswer, what: string): void {
  assert(!answer.hung, `${what} was not answered`)
  assert(answer.status !== undefined, `${what}: the stream ended without a status`)
  requireSentence(answer, what)
  assert(
    answer.status !== INTERNAL && answer.status !== UNKNOWN,
    `${what} is answered as a bug: ${answer.status} ${answer.message}`,
  )
}

/** To what is no frame: an end. gRPC's own refusals have whichever status gRPC has for them. */
export function requireEnd(answer: RawAnswer, what: string): void {
  assert(!answer.hung, `${what} has no end`)
  assert(answer.status !== OK || answer.body.length > 0, `${what} is answered with OK, and with nothing`)
  requireSentence(answer, what)
}

function requireSentence({ status, message, details }: RawAnswer, what: string): void {
  if (status === undefined || status === OK) return
  assert(
    !STACK_TRACE.test(message) && !STACK_TRACE.test(details),
    `${what} is answered with a stack: ${message}`,
  )
  assert(message.length <= MESSAGE_LENGTH_MAX, `${what} is answered at length: ${message.length} characters`)
  assert(!message.includes('hunter2'), `${what} is answered with a secret: ${message}`)
}
