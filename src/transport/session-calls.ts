/** What a session's call is answered with, whatever has carried it: one reply, also where something goes wrong with it. */
import { unreachable } from '../base/assert.ts'
import { PledgedError } from '../base/errors.ts'
import type { Answer, Session } from '../protocol/requests.ts'
import type { SessionCall, SessionReply } from '../protocol/session-messages.ts'
import { sessionAnswerOf } from '../wire/index.ts'

/** What is answered by its call id. */
export type AskedCall = Extract<SessionCall, { readonly callId: number }>

/** Never rejects: what goes wrong with one call is that call's answer. */
export async function replyTo(call: AskedCall, session: Session, caller: string): Promise<SessionReply> {
  const { callId } = call
  try {
    if (call.type === 'enlist') {
      await session.enlist({ xid: call.xid, branch: call.branch })
      return { type: 'enlisted', callId }
    }
    const answer = await ask(call, session, caller)
    return { type: 'answer', callId, answer: sessionAnswerOf(call, answer) }
  } catch (error) {
    return { type: 'refusal', callId, error: PledgedError.from(error) }
  }
}

function ask(
  call: Exclude<AskedCall, { readonly type: 'enlist' }>,
  session: Session,
  caller: string,
): Promise<Answer> {
  switch (call.type) {
    case 'execute':
      return session.execute(call.request)
    case 'commit':
      return session.commit(call.request)
    case 'abort':
      return session.abort({ caller, xid: call.xid })
    case 'get':
      return session.get(call.request)
    default:
      return unreachable(call)
  }
}
