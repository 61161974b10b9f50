/**
 * The link port: one connection to one participant, whatever carries it. Messages of one link about one xid arrive
 * in the order they were sent, each at most once; when a link closes, those under way may or may not have arrived.
 * Where each message is a call of its own (./unary), messages about different xids keep no order, and an abort may
 * arrive before the prepare of its xid, which is then barred, or given up.
 *
 * A link does not retry, does not reconnect, and never calls back from within `send`.
 */
import type { Epoch, LogId } from '../base/ids.ts'
import type { CoordinatorMessage, ParticipantIdentity, ParticipantMessage } from '../protocol/messages.ts'

export interface Welcome {
  readonly logId: LogId
  readonly epoch: Epoch
  readonly workBytesMax: number
}

/** The coordinator's end of a link. */
export interface Link {
  readonly identity: ParticipantIdentity
  /** Sent once, before any message: the participant is admitted. */
  welcome(welcome: Welcome): void
  /** Queues the messages; they leave together. On a closed link they are dropped. */
  send(messages: readonly CoordinatorMessage[]): void
  /** Ends the link; the reason is told to the participant. `closed` isn't called for it. */
  close(reason: string, options?: { readonly retryAfterMs?: number | undefined }): void
}

/** What a link tells its owner, the coordinator. */
export interface LinkListener {
  /** A participant has introduced itself; it waits for `welcome`. */
  opened(link: Link): void
  received(link: Link, messages: readonly ParticipantMessage[]): void
  /** The link is gone. Called at most once, after `opened`. */
  closed(link: Link, reason: string): void
}

/** A participant that we dial (in a worker thread, or by address). Those that dial in have none. */
export interface Dialer {
  readonly name: string
  /** Ends in `listener.opened`, or in `failed` with a sentence. One dial at a time. */
  dial(listener: LinkListener, failed: (reason: string) => void): void
  /** Gives up what `dial` made. */
  close(): Promise<void>
}
