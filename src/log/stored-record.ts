/** What a log stores: the coordinator's records, and two of the log's own. */
import type { Epoch, Xid, XidPosition } from '../base/ids.ts'
import { parseXid } from '../base/ids.ts'
import type { LogRecord } from '../protocol/records.ts'

/** One opening; where a log carries its history forward, all openings so far. */
export interface EpochsRecord {
  readonly type: 'epochs'
  readonly epochs: readonly Epoch[]
  readonly timeMs: number
}

/** R9: nothing may be presumed of an xid at or below. The latest one counts. */
export interface ForgottenRecord {
  readonly type: 'forgotten'
  readonly epochNumber: number
  readonly sequence: number
}

export type StoredRecord = LogRecord | EpochsRecord | ForgottenRecord
export type TransactionRecord = Extract<StoredRecord, { readonly xid: Xid }>

export function isTransactionRecord(record: StoredRecord): record is TransactionRecord {
  return 'xid' in record
}

export function placeOf(xid: Xid): XidPosition {
  const { epochNumber, sequence } = parseXid(xid)
  return { epochNumber, sequence }
}

/** The key under which a request's attempts are found, or undefined: the record names no request. */
export function requestKeyOf(record: StoredRecord): string | undefined {
  if (record.type !== 'decision' && record.type !== 'aborted') return undefined
  return record.request && requestKey(record.request.caller, record.request.requestId)
}

export function requestKey(caller: string, requestId: string): string {
  return JSON.stringify([caller, requestId])
}
