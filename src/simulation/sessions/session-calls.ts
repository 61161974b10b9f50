/** A session's call as the observations have it. */
import type { Answer } from '../../protocol/requests.ts'
import type { SessionCall } from '../../protocol/session-messages.ts'
import type { Call, Said } from '../observations.ts'

export interface NumberedCall {
  readonly call: SessionCall
  /** Undefined where its answer tells nothing of an outcome. */
  readonly described: Call | undefined
}

export function describeCall(
  call: SessionCall,
  caller: string,
  names: { readonly number: number; readonly session: number },
): Call | undefined {
  switch (call.type) {
    case 'execute':
    case 'commit': {
      const { name, waitFor } = call.request
      const asked = { ...names, verb: call.type, caller, waitFor }
      const named = { ...asked, requestId: name?.requestId, attempt: name?.attempt }
      if (call.type === 'execute') return named
      const { xid, preparedBranches = [] } = call.request
      const prepared = preparedBranches.map(({ participant, readOnly = false }) => ({
        participant,
        readOnly,
      }))
      return { ...named, xid, prepared }
    }
    case 'abort':
      return { ...names, verb: 'abort', caller, xid: call.xid }
    case 'get':
      return {
        ...names,
        verb: 'get',
        caller,
        ...('xid' in call.request ? { xid: call.request.xid } : { requestId: call.request.requestId }),
      }
    default:
      return undefined
  }
}

export function saidIn({ transaction, replayed }: Answer): Said {
  return {
    xid: transaction.xid,
    state: transaction.state,
    outcome: transaction.outcome,
    cause: transaction.abortCause,
    requestId: transaction.requestId,
    attempt: transaction.attempt,
    replayed,
    branches: transaction.branches.map(({ participant, state }) => ({ participant, state })),
  }
}
