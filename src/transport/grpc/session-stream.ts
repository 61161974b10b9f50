/**
 * An application's session over one OpenSession stream, from its hello to its end: what it says goes to the coordinator's
 * Session, what that answers goes back, many in a message. Nothing is read before the first lease has come, since the
 * welcome has to be the first that the client hears.
 *
 * It ends once: the coordinator ends it, or the server closes (goodbye, OK); the client leaves, and is still answered
 * what it had asked; it is lost; or it breaks the protocol, or can't be served, and is sent away with an error status.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js'
import { present } from '../../base/assert.ts'
import { PledgedError } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import { systemTimers } from '../../base/ports.ts'
import type { Session, SessionApi, SessionListener, XidLease } from '../../protocol/requests.ts'
import type { SessionGreeting, SessionReply } from '../../protocol/session-messages.ts'
import type {
  OpenSessionRequest,
  OpenSessionResponse,
} from '../../wire/generated/pledged/v1/transaction_service.ts'
import {
  admissionToProto,
  BatchedWriter,
  goodbyeToProto,
  type MessageSink,
  type ReceivedCall,
  receivedBytesMax,
  type SessionFacts,
  sessionCalls,
  sessionReplyBatches,
  toStatus,
} from '../../wire/index.ts'
import { replyTo } from '../session-calls.ts'
import type { StreamPeer } from './introduction.ts'
import { SessionIntake } from './session-intake.ts'

export type OpenSessionStream = ServerDuplexStream<OpenSessionRequest, OpenSessionResponse>
export type SessionLimits = Pick<
  Limits,
  | 'batchItemsMax'
  | 'batchBytesMax'
  | 'linkQueueBytesMax'
  | 'sessionCallsMax'
  | 'workBytesMax'
  | 'messageBytesMax'
>

export interface SessionStreamOptions {
  readonly greeting: SessionGreeting
  readonly facts: SessionFacts
  readonly stream: OpenSessionStream
  readonly sessions: SessionApi
  readonly limits: SessionLimits
  /** The session has ended, in whichever way. */
  readonly ended: (session: SessionStream) => void
}

export class SessionStream implements StreamPeer<OpenSessionRequest>, SessionListener {
  readonly #options: SessionStreamOptions
  readonly #stream: OpenSessionStream
  readonly #writer: BatchedWriter<SessionReply, OpenSessionResponse>
  readonly #intake: SessionIntake
  #session: Session | undefined
  #firstLease: XidLease | undefined
  #welcomed = false
  /** The client says nothing more; what it had asked is still answered. */
  #left = false
  #open = true

  constructor(options: SessionStreamOptions) {
    const { stream, limits } = options
    this.#options = options
    this.#stream = stream
    this.#writer = new BatchedWriter({
      sink: this.#sink(),
      codec: sessionReplyBatches,
      limits,
      onOverflow: () => this.sendAway(tooSlow(limits.linkQueueBytesMax)),
    })
    this.#intake = new SessionIntake({
      callsMax: limits.sessionCallsMax,
      bytesMax: limits.linkQueueBytesMax,
      source: stream,
      take: (call, bytes) => this.#take(call, bytes),
    })
  }

  /** Throws where the coordinator takes no session now. */
  open(): void {
    this.#intake.hold()
    const { greeting, facts, sessions } = this.#options
    this.#session = sessions.openSession({ ...greeting, caller: facts.caller, listener: this })
    this.#welcome()
  }

  // --- SessionListener

  leased(lease: XidLease): void {
    if (this.#welcomed) {
      this.#writer.send([{ type: 'lease', lease }])
      return
    }
    this.#firstLease = lease
    this.#welcome()
  }

  ended(reason: string): void {
    this.#sayGoodbye(reason)
  }

  // --- StreamPeer

  receive(message: OpenSessionRequest): void {
    if (!this.#open) return
    if (message.body?.$case !== 'batch') {
      throw new PledgedError(
        'INVALID_REQUEST',
        `the client of a session sent ${describe(message)} where only a batch may come`,
      )
    }
    this.#intake.receive(sessionCalls(message.body.value, this.#options.facts))
  }

  left(reason: string): void {
    if (!this.#open) return
    this.#left = true
    this.#session?.close(reason)
    if (this.#intake.idle) this.lost(reason)
  }

  lost(reason: string): void {
    if (!this.#end()) return
    this.#writer.close()
    this.#session?.close(reason)
    this.#stream.end()
  }

  sendAway(error: unknown): void {
    if (!this.#end()) return
    this.#writer.close()
    this.#session?.close(PledgedError.from(error).message)
    this.#stream.emit('error', toStatus(error))
  }

  /** The server closes. */
  close(reason: string): void {
    this.#session?.close(reason)
    this.#sayGoodbye(reason)
  }

  // ---

  #welcome(): void {
    const session = this.#session
    if (session === undefined || this.#firstLease === undefined || !this.#open) return
    this.#welcomed = true
    const { workBytesMax, batchBytesMax, sessionCallsMax } = this.#options.limits
    const admission = {
      logId: session.logId,
      epoch: session.epoch,
      workBytesMax,
      batchBytesMax,
      messageBytesMax: receivedBytesMax(this.#options.limits),
      callsMax: sessionCallsMax,
      lease: this.#firstLease,
    }
    this.#stream.write({ body: { $case: 'welcome', value: admissionToProto(admission) } })
    this.#intake.start()
  }

  /** What was answered in this turn of the event loop, or just before it, still leaves. */
  #sayGoodbye(reason: string): void {
    if (!this.#end()) return
    systemTimers.soon(() => {
      this.#writer.finish()
      this.#stream.write({ body: { $case: 'goodbye', value: goodbyeToProto({ reason }) } })
      this.#stream.end()
    })
  }

  /** False: it had ended before. */
  #end(): boolean {
    if (!this.#open) return false
    this.#open = false
    this.#options.ended(this)
    return true
  }

  /** Also called when replies have left, where nobody would catch what it throws. */
  #take(call: ReceivedCall, bytes: number): void {
    if (!this.#open) return
    try {
      this.#handle(call, bytes)
    } catch (error) {
      this.sendAway(error)
    }
  }

  #handle(call: ReceivedCall, bytes: number): void {
    const session = present(this.#session, 'nothing is read before the session is open')
    switch (call.type) {
      case 'refusal':
        this.#writer.send([call])
        return
      case 'lease':
        session.lease(call.count)
        return
      case 'acknowledgement':
        session.acknowledge(call.ending)
        return
      default:
        void replyTo(call, session, this.#options.facts.caller).then((reply) => {
          this.#writer.send([reply])
          this.#intake.answered(bytes)
        })
    }
  }

  /** The stream, seen by the writer; replies are counted as they leave. */
  #sink(): MessageSink<OpenSessionResponse> {
    const stream = this.#stream
    return {
      on: (event, listener) => stream.on(event, listener),
      write: (message) => {
        const goesOn = stream.write(message)
        if (message.body?.$case === 'batch') this.#repliesLeft(message.body.value.answers.length)
        return goesOn
      },
    }
  }

  #repliesLeft(count: number): void {
    this.#intake.left(count)
    if (this.#left && this.#intake.idle) this.lost('all that it had asked is answered')
  }
}

function describe(message: OpenSessionRequest): string {
  return message.body === undefined ? 'an empty message' : 'a second hello'
}

function tooSlow(bytesMax: number): PledgedError {
  return new PledgedError(
    'LIMIT_REACHED',
    `the client of a session reads too slowly: more than ${bytesMax} bytes waited for it; open another`,
  )
}
