/**
 * Records on their way to the log's thread, a line of text each: cloning one text costs a fraction of cloning its records.
 * The ends that are told together go as one, too.
 *
 * Nearly all are decisions and ends. Those are checked on this side, where they still are objects, and what the thread has to
 * know of one stands before its body; of the others the thread reads the body. None is written that could not be read back.
 */
import { messageOf, PledgedError } from '../../base/errors.ts'
import type { Xid } from '../../base/ids.ts'
import type { EndRecord, LogRecord } from '../../protocol/records.ts'
import { decodeRecord, encodeRecord, faultIn } from '../record-codec.ts'
import { type EndsRecord, placeOf, requestKeyOf, type StoredRecord } from '../stored-record.ts'
import { gatherEnds } from './gathered-ends.ts'
import type { NotedRecord } from './pinned-records.ts'
import { type NewRow, newRow } from './record-table.ts'

/** Neither an xid nor JSON holds one as it is. */
const SEPARATOR = '\t'
const MARKS = { decision: 'd', end: 'e' } as const

export interface AppendedRecord {
  readonly noted: NotedRecord
  readonly row: NewRow
}

/** In their order, the ends behind all others. */
export function appendLines(records: readonly LogRecord[]): string[] {
  const lines: string[] = []
  const ends: EndRecord[] = []
  for (const record of records) {
    if (record.type === 'end') ends.push(record)
    else lines.push(appendLine(record))
  }
  for (const record of gatherEnds(ends)) lines.push(appendLine(record))
  return lines
}

export function appendLine(record: LogRecord | EndsRecord): string {
  const body = encodeRecord(record)
  // One that is at fault is found so by the thread, which then writes nothing more (R6).
  if ((record.type !== 'decision' && record.type !== 'end') || faultIn(record) !== undefined) return body
  const requestKey = requestKeyOf(record) ?? ''
  return `${MARKS[record.type]}${SEPARATOR}${record.xid}${SEPARATOR}${requestKey}${SEPARATOR}${body}`
}

/** Throws INTERNAL where the record could not be read back: written, it would damage the log for its next opening. */
export function appendedRecord(line: string): AppendedRecord {
  if (line.startsWith('{')) {
    const record = readable(line)
    return { noted: record, row: newRow(record, line) }
  }
  const xidEnd = line.indexOf(SEPARATOR, 2)
  const keyEnd = line.indexOf(SEPARATOR, xidEnd + 1)
  const type = line.startsWith(MARKS.decision) ? 'decision' : 'end'
  const xid = line.slice(2, xidEnd) as Xid
  const requestKey = keyEnd === xidEnd + 1 ? undefined : line.slice(xidEnd + 1, keyEnd)
  return {
    noted: { type, xid },
    row: { place: placeOf(xid), through: undefined, requestKey, body: line.slice(keyEnd + 1) },
  }
}

function readable(body: string): StoredRecord {
  try {
    return decodeRecord(body)
  } catch (error) {
    throw new PledgedError(
      'INTERNAL',
      `a record was appended that could not be read back: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
}
