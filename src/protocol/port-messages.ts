/**
 * What a coordinator and a participant in a worker thread say over a MessagePort, around the messages of
 * ./messages.ts. It lies here because the two ends (transport/worker and the participant SDK) don't know each
 * other.
 *
 * The thread speaks first: `hello` once its participant has described itself, or `failed`. Batches flow after
 * `welcome`. `close` from the coordinator asks the thread to put its participant away and end.
 */
import type { Epoch, LogId } from '../base/ids.ts'
import type { CoordinatorMessage, ParticipantIdentity, ParticipantMessage } from './messages.ts'

/** What the coordinator tells a participant that it admits. */
export interface Admission {
  readonly logId: LogId
  readonly epoch: Epoch
  readonly workBytesMax: number
}

export type CoordinatorPortMessage =
  | { readonly type: 'welcome'; readonly welcome: Admission }
  | { readonly type: 'batch'; readonly messages: readonly CoordinatorMessage[] }
  | { readonly type: 'close'; readonly reason: string }

export type ParticipantPortMessage =
  | { readonly type: 'hello'; readonly identity: ParticipantIdentity }
  | { readonly type: 'failed'; readonly reason: string }
  | { readonly type: 'batch'; readonly messages: readonly ParticipantMessage[] }
