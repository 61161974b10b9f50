/**
 * The port between the client's session and what carries it: one stream to a coordinator, from the greeting to its end.
 * A stream never comes back; the session dials another.
 */
import type { PledgedError } from '../../../base/errors.ts'
import type {
  SessionAdmission,
  SessionCall,
  SessionGreeting,
  SessionReply,
} from '../../../protocol/session-messages.ts'

export interface SessionStreamEnd {
  /** Why; retryable or not. */
  readonly error: PledgedError
  /** The coordinator said goodbye: not before this time has passed. */
  readonly retryAfterMs?: number | undefined
}

export interface SessionStreamListener {
  /** First, and once. */
  admitted(admission: SessionAdmission): void
  received(replies: readonly SessionReply[]): void
  /** Last, and once, also where it was never admitted. What was sent and not answered may have arrived. Not after `close`. */
  ended(end: SessionStreamEnd): void
}

export interface SessionStream {
  /** What is sent during one turn of the event loop leaves together. Dropped once the stream has ended. */
  send(calls: readonly SessionCall[]): void
  /** In good order: what was sent before still leaves. The listener hears no more. */
  close(): void
}

/** Begins to connect. Doesn't throw, and doesn't call the listener before it has returned. */
export type DialSession = (greeting: SessionGreeting, listener: SessionStreamListener) => SessionStream
