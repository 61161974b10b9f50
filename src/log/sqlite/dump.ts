/** `pledged log dump`: every record of a closed log, one by one, damaged ones included. */
import { messageOf, PledgedError } from '../../base/errors.ts'
import { oneByOne, type SingleRecord, type StoredRecord } from '../stored-record.ts'
import { openFailure } from './failures.ts'
import type { Link } from './meta.ts'
import { readMeta } from './meta.ts'
import { formatOf, MIGRATIONS } from './migrations.ts'
import type { OfflineCopy, OfflineOptions } from './offline-copy.ts'
import { copyOffline, openCopy } from './offline-copy.ts'
import type { Row } from './record-table.ts'
import { checkLink, decodeRow, RecordTable } from './record-table.ts'
import { defaultTuning } from './tuning.ts'

export interface DumpedRecord {
  readonly position: number
  /** Undefined: it can't be read; see `body`. */
  readonly record: SingleRecord | undefined
  /** As it is stored, where it can't be read. */
  readonly body?: string | undefined
  readonly problem?: string | undefined
}

/** Oldest first. Throws LOG_IN_USE, LOG_UNREADABLE, and LOG_DAMAGED where SQLite finds no records at all. */
export function* dumpLog(directory: string, options: OfflineOptions = {}): Generator<DumpedRecord, void> {
  const copy = copyOffline(directory, options)
  try {
    yield* dumpCopy(copy)
  } catch (error) {
    throw openFailure(error, copy.original)
  } finally {
    copy.remove()
  }
}

function* dumpCopy(copy: OfflineCopy): Generator<DumpedRecord, void> {
  const database = openCopy(copy)
  try {
    const format = formatOf(database)
    if (format !== MIGRATIONS.length) {
      throw new PledgedError(
        'LOG_UNREADABLE',
        `the log in ${copy.original.directory} has format ${format}, and this version dumps format ${MIGRATIONS.length}`,
      )
    }
    const table = new RecordTable(database)
    let previous = readMeta(database).anchor
    let rows = table.rowsAfter(0, defaultTuning.sliceRecords)
    while (rows.length > 0) {
      for (const row of rows) {
        yield* dumpRow(row, previous)
        previous = row
      }
      rows = table.rowsAfter(previous.position, defaultTuning.sliceRecords)
    }
  } finally {
    database.close()
  }
}

/** One, or the ends that are in it: whoever looks for an xid finds all that was recorded of it. */
function dumpRow(row: Row, previous: Link): readonly DumpedRecord[] {
  const { position, body } = row
  let record: StoredRecord | undefined
  try {
    record = decodeRow(row)
    checkLink(row, previous)
    return oneByOne(record).map((one) => ({ position, record: one }))
  } catch (error) {
    const problem = messageOf(error)
    if (record === undefined) return [{ position, record: undefined, body, problem }]
    return oneByOne(record).map((one) => ({ position, record: one, problem }))
  }
}
