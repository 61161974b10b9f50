/** One call of the application's, which waits for its turn and then for its answer. */
import type { SessionCall, SessionReply } from '../../../protocol/session-messages.ts'
import type { Scope } from '../scope.ts'
import type { Try } from '../try.ts'
import { Pending } from './pending.ts'

export interface PendingCallOptions<Response> {
  readonly scope: Scope
  /** At least what it takes in a message. */
  readonly bytes: number
  /** As it is sent, under the id that names its answer. */
  readonly toCall: (callId: number) => SessionCall
  /** What a reply says to who asked. */
  readonly meaning: (reply: SessionReply) => Try<Response>
  /** It has been handed to the stream. */
  readonly onSent?: (() => void) | undefined
  /** The one session that may send it. Undefined: whichever is open. */
  readonly boundTo?: object | undefined
}

/** One of them, whatever it is to be answered with. */
export type AnyPendingCall = Omit<PendingCall<never>, 'ended'>

export class PendingCall<Response> extends Pending<Response> {
  readonly bytes: number
  readonly boundTo: object | undefined
  readonly #options: PendingCallOptions<Response>
  #callId: number | undefined

  constructor(options: PendingCallOptions<Response>, onOver: () => void) {
    super(options.scope, onOver)
    this.#options = options
    this.bytes = options.bytes
    this.boundTo = options.boundTo
  }

  /** It may have arrived. */
  get sent(): boolean {
    return this.#callId !== undefined
  }

  /** As it was sent; undefined before. */
  get callId(): number | undefined {
    return this.#callId
  }

  toCall(callId: number): SessionCall {
    this.#callId = callId
    return this.#options.toCall(callId)
  }

  wasSent(): void {
    this.#options.onSent?.()
  }

  answered(reply: SessionReply): void {
    this.end(this.#options.meaning(reply))
  }
}
