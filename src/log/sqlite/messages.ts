/** What the main thread and the log's worker say to each other. */
import type { ErrorCode, PledgedError } from '../../base/errors.ts'
import { PledgedError as Failure } from '../../base/errors.ts'
import type { Xid, XidPosition } from '../../base/ids.ts'
import type { KeptTransaction, RequestRef } from '../../protocol/records.ts'
import type { EndedQuery, OpenedLog, OpenStage } from '../log.ts'
import type { SqliteLogFaults } from './database.ts'
import type { Tuning } from './tuning.ts'

export interface WorkerSettings {
  readonly directory: string
  readonly tuning: Tuning
  readonly batchRecordsMax: number
  readonly faults?: SqliteLogFaults | undefined
  /** One 32-bit word, 1 once the log is closed: how a process that exits at once waits for it. */
  readonly closed: SharedArrayBuffer
}

export type RequestLookup = Pick<RequestRef, 'caller' | 'requestId'>

export type Question =
  | { readonly ask: 'transaction'; readonly xid: Xid }
  | { readonly ask: 'requests'; readonly names: readonly RequestLookup[] }
  | { readonly ask: 'ended'; readonly query: EndedQuery }
  | { readonly ask: 'expired'; readonly endedBeforeMs: number }
  | { readonly ask: 'forget'; readonly through: XidPosition }
  | { readonly ask: 'close' }

export type Answer =
  | KeptTransaction
  | undefined
  | readonly KeptTransaction[]
  | readonly (readonly KeptTransaction[])[]
  | XidPosition

export type ToWorker =
  /** One call's records: see append-lines.ts. */
  | { readonly kind: 'append'; readonly lines: string; readonly count: number }
  | { readonly kind: 'question'; readonly id: number; readonly question: Question }

export type FromWorker =
  | { readonly kind: 'stage'; readonly stage: OpenStage }
  | { readonly kind: 'opened'; readonly opened: OpenedLog }
  | { readonly kind: 'open_failed'; readonly failure: SentFailure }
  /** The oldest `calls` appends that were not answered yet, all by one forced write. */
  | { readonly kind: 'appended'; readonly calls: number; readonly failure?: SentFailure | undefined }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'question_failed'; readonly id: number; readonly failure: SentFailure }
  | { readonly kind: 'damage'; readonly failure: SentFailure }

/** A failure as it passes between threads, which would strip its class. */
export interface SentFailure {
  readonly code: ErrorCode
  readonly message: string
}

export function sendable(failure: PledgedError): SentFailure {
  return { code: failure.code, message: failure.message }
}

export function received(failure: SentFailure): PledgedError {
  return new Failure(failure.code, failure.message)
}
