/**
 * `pledged/participant`: write a participant (four verbs and a vote), and attach it to a coordinator.
 *
 * ```ts
 * await using attachment = attachParticipant({ name: 'ledger', participant: new Ledger() })
 * ```
 *
 * A process of its own dials in with `attachParticipant`, or is dialled at the address where it listens
 * (`listenParticipant`); a worker thread of the daemon serves its parent's port
 * with `servePort`. Either way the participant sees the same calls, in the same order.
 */
export { assert, present, unreachable } from '../../base/assert.ts'
export { type ErrorCode, messageOf, PledgedError } from '../../base/errors.ts'
export {
  compareXids,
  type Epoch,
  epochNumber,
  isEpoch,
  isLogId,
  isParticipantName,
  type LogId,
  tryParseXid,
  type Xid,
  type XidParts,
  xidOf,
} from '../../base/ids.ts'
export { findWalDamage, type WalDamage } from '../../base/sqlite-wal/index.ts'
export type { ClientTls } from '../../dialling/index.ts'
export type { BranchResult, Evidence, HeldBranch, Verb, Vote } from '../../protocol/messages.ts'
export type { Rotation, ServerTls } from '../../serving/index.ts'
export { type Attachment, type AttachmentEvent, type AttachOptions, attachParticipant } from './attach.ts'
export { type Listening, type ListeningEvent, type ListenOptions, listenParticipant } from './listen.ts'
export * from './participant.ts'
export { type ServePortOptions, servePort } from './port-host.ts'
