/** One call of the application's, which waits for its turn and then for its answer. */
import type { SessionCall, SessionReply } from '../../../protocol/session-messages.ts'
import type { Scope } from '../scope.ts'
import { Pending } from './pending.ts'

export interface PendingCallOptions {
  readonly scope: Scope
  /** At least what it takes in a message. */
  readonly bytes: number
  /** As it is sent, under the id that names its answer. */
  readonly toCall: (callId: number) => SessionCall
  /** It has been handed to the stream. */
  readonly onSent?: (() => void) | undefined
  /** The one session that may send it. Undefined: whichever is open. */
  readonly boundTo?: object | undefined
}

export class PendingCall extends Pending<SessionReply> {
  readonly bytes: number
  readonly boundTo: object | undefined
  readonly #options: PendingCallOptions
  #sent = false

  constructor(options: PendingCallOptions, onOver: () => void) {
    super(options.scope, onOver)
    this.#options = options
    this.bytes = options.bytes
    this.boundTo = options.boundTo
  }

  /** It may have arrived. */
  get sent(): boolean {
    return this.#sent
  }

  toCall(callId: number): SessionCall {
    this.#sent = true
    return this.#options.toCall(callId)
  }

  wasSent(): void {
    this.#options.onSent?.()
  }
}
