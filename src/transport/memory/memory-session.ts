/**
 * An application's session with a coordinator in the same process: each call becomes the coordinator's at once, and what comes
 * back is handed over in a later turn, outside of the coordinator's own. What is checked of a message's shape on a wire is
 * checked here, too: who writes JavaScript, or casts, sends anything.
 *
 * Nothing is shared that one side could change under the other: work is copied on its way in, a transaction on its way out.
 */
import { PledgedError } from '../../base/errors.ts'
import { xidOf } from '../../base/ids.ts'
import type { Limits } from '../../base/limits.ts'
import type { Timers } from '../../base/ports.ts'
import type { BranchWork, PreparedBranch, Session, SessionApi, XidLease } from '../../protocol/requests.ts'
import type {
  SessionAdmission,
  SessionCall,
  SessionGreeting,
  SessionReply,
} from '../../protocol/session-messages.ts'
import { requireResourceName } from '../../wire/index.ts'
import { type AskedCall, replyTo } from '../session-calls.ts'

/** The application's end: the shape of the SDK's port, which this floor doesn't import. */
export interface MemorySessionListener {
  admitted(admission: SessionAdmission): void
  received(replies: readonly SessionReply[]): void
  ended(end: { readonly error: PledgedError }): void
}

export interface MemorySessionOptions {
  readonly sessions: SessionApi
  /** The identity that request ids and begun transactions belong to. */
  readonly caller: string
  readonly limits: Pick<Limits, 'workBytesMax' | 'sessionCallsMax'>
  readonly timers: Timers
}

export function memoryDial(
  options: MemorySessionOptions,
): (greeting: SessionGreeting, listener: MemorySessionListener) => MemorySession {
  return (greeting, listener) => new MemorySession(options, greeting, listener)
}

export class MemorySession {
  readonly #options: MemorySessionOptions
  readonly #listener: MemorySessionListener
  #session: Session | undefined
  #admitted = false
  #over = false

  constructor(options: MemorySessionOptions, greeting: SessionGreeting, listener: MemorySessionListener) {
    this.#options = options
    this.#listener = listener
    this.#later(() => this.#open(greeting))
  }

  send(calls: readonly SessionCall[]): void {
    for (const call of calls) this.#take(call)
  }

  close(): void {
    this.#over = true
    this.#session?.close('the application closed it')
  }

  #open(greeting: SessionGreeting): void {
    const { sessions, caller } = this.#options
    try {
      const session = sessions.openSession({
        ...greeting,
        caller,
        listener: {
          leased: (lease) => this.#later(() => this.#leased(session, lease)),
          ended: (reason) => this.#later(() => this.#ended(reason)),
        },
      })
      this.#session = session
    } catch (error) {
      this.#end(PledgedError.from(error))
    }
  }

  #leased(session: Session, lease: XidLease): void {
    if (this.#admitted) {
      this.#listener.received([{ type: 'lease', lease }])
      return
    }
    this.#admitted = true
    const { workBytesMax, sessionCallsMax } = this.#options.limits
    const { logId, epoch } = session
    // No message carries it: what a call may take is the coordinator's limits to say.
    const unbounded = { batchBytesMax: 0, messageBytesMax: 0 }
    this.#listener.admitted({
      logId,
      epoch,
      workBytesMax,
      ...unbounded,
      callsMax: sessionCallsMax,
      lease,
    })
  }

  #take(call: SessionCall): void {
    const session = this.#session
    if (session === undefined || this.#over) return
    switch (call.type) {
      case 'lease':
        session.lease(call.count)
        return
      case 'acknowledgement':
        session.acknowledge(call.ending)
        return
      default:
        void this.#answer(call, session)
    }
  }

  async #answer(call: AskedCall, session: Session): Promise<void> {
    const reply = await this.#replyTo(call, session)
    if (!this.#over) this.#listener.received([apart(reply)])
  }

  #replyTo(call: AskedCall, session: Session): Promise<SessionReply> {
    const { caller } = this.#options
    try {
      requireShape(call)
      return replyTo(received(call, caller), session, caller)
    } catch (error) {
      return Promise.resolve({ type: 'refusal', callId: call.callId, error: PledgedError.from(error) })
    }
  }

  #ended(reason: string): void {
    this.#end(new PledgedError('UNAVAILABLE', `the coordinator ended the session: ${reason}`))
  }

  #end(error: PledgedError): void {
    this.#over = true
    this.#listener.ended({ error })
  }

  #later(run: () => void): void {
    this.#options.timers.soon(() => {
      if (!this.#over) run()
    })
  }
}

/** Throws INVALID_REQUEST or MALFORMED_XID. What a request means is the core's to check. */
function requireShape(call: AskedCall): void {
  switch (call.type) {
    case 'enlist':
      xidOf(call.xid)
      requireBranch(call.branch)
      return
    case 'commit':
      xidOf(call.request.xid)
      for (const branch of call.request.preparedBranches ?? []) requireBranch(branch)
      requireRequest(call.request)
      return
    case 'execute':
      requireRequest(call.request)
      return
    case 'abort':
      xidOf(call.xid)
      return
    case 'get':
      if ('xid' in call.request) xidOf(call.request.xid)
      else requireText('request_id', call.request.requestId)
      return
    default:
      call satisfies never
  }
}

type NamedRequest = Extract<AskedCall, { readonly type: 'execute' }>['request']

function requireRequest({ name, waitFor }: NamedRequest): void {
  if (name !== undefined) requireText('request_id', name.requestId)
  if (waitFor === 'decision' || waitFor === 'completion') return
  throw new PledgedError(
    'INVALID_REQUEST',
    `waitFor is ${JSON.stringify(waitFor)}: say "decision" or "completion"`,
  )
}

function requireBranch({ participant, resourceId, connectionId }: PreparedBranch): void {
  requireText('participant', participant)
  for (const [field, value] of [
    ['resource_id', resourceId],
    ['connection_id', connectionId],
  ] as const) {
    requireText(field, value)
    requireResourceName(field, value)
  }
}

function requireText(field: string, value: unknown): void {
  if (typeof value === 'string') return
  throw new PledgedError(
    'INVALID_REQUEST',
    `${field} is ${JSON.stringify(value) ?? 'missing'}: give a string`,
  )
}

/** As the coordinator takes it: from whom it is, and with work that nobody else changes. */
function received(call: AskedCall, caller: string): AskedCall {
  switch (call.type) {
    case 'execute':
      return { ...call, request: { ...call.request, caller, branches: copied(call.request.branches) } }
    case 'commit':
      return { ...call, request: { ...call.request, caller, branches: copied(call.request.branches) } }
    case 'get':
      return { ...call, request: { ...call.request, caller } }
    default:
      return call
  }
}

function copied(branches: readonly BranchWork[]): BranchWork[] {
  return branches.map(({ participant, work }) => ({ participant, work: work.slice() }))
}

/** Views of the core's may show what is still the core's own. */
function apart(reply: SessionReply): SessionReply {
  if (reply.type !== 'answer' || reply.answer.transaction === undefined) return reply
  return { ...reply, answer: structuredClone(reply.answer) }
}
