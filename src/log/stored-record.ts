/** What a log stores: the coordinator's records, and three of the log's own. */
import type { Epoch, Xid, XidPosition } from '../base/ids.ts'
import { parseXid } from '../base/ids.ts'
import type { EndRecord, LogRecord } from '../protocol/records.ts'

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

/** The ends of several transactions, told together: one record in place of many. */
export interface EndsRecord {
  readonly type: 'ends'
  /** What their xids begin with: `<logId>.<epoch>`. */
  readonly within: string
  /** By ascending sequence; the last is less than `ENDS_SPAN_MAX` behind the first. */
  readonly ends: readonly (readonly [sequence: number, endTimeMs: number])[]
}

/** Whoever looks for the end of a transaction looks at records whose last sequence is no further behind it. */
export const ENDS_SPAN_MAX = 1_024

export type StoredRecord = LogRecord | EpochsRecord | ForgottenRecord | EndsRecord
export type SingleRecord = Exclude<StoredRecord, EndsRecord>
export type TransactionRecord = Extract<StoredRecord, { readonly xid: Xid }>

export function isTransactionRecord(record: StoredRecord): record is TransactionRecord {
  return 'xid' in record
}

export function placeOf(xid: Xid): XidPosition {
  const { epochNumber, sequence } = parseXid(xid)
  return { epochNumber, sequence }
}

export function* endsIn({ within, ends }: EndsRecord): Generator<EndRecord> {
  for (const [sequence, endTimeMs] of ends) yield endAt(within, sequence, endTimeMs)
}

/** A record, or in place of ends that were told together each of them. */
export function oneByOne(record: StoredRecord): readonly SingleRecord[] {
  return record.type === 'ends' ? [...endsIn(record)] : [record]
}

/** The end of the transaction with that sequence, if it is one of them. */
export function endOf({ within, ends }: EndsRecord, sequence: number): EndRecord | undefined {
  const found = ends.find(([other]) => other === sequence)
  return found && endAt(within, ...found)
}

export function endAt(within: string, sequence: number, endTimeMs: number): EndRecord {
  return { type: 'end', xid: `${within}.${sequence}` as Xid, endTimeMs }
}

/** The key under which a request's attempts are found, or undefined: the record names no request. */
export function requestKeyOf(record: StoredRecord): string | undefined {
  if (record.type !== 'decision' && record.type !== 'aborted') return undefined
  return record.request && requestKey(record.request.caller, record.request.requestId)
}

export function requestKey(caller: string, requestId: string): string {
  return JSON.stringify([caller, requestId])
}
