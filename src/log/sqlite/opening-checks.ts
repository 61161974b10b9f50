/** R7: what an opening verifies before it acts, and `verify` with it. All throw LOG_DAMAGED. */
import type { LogId } from '../../base/ids.ts'
import { findWalDamage } from '../../base/sqlite-wal/index.ts'
import type { FilesFound, LogFiles } from './files.ts'
import { damaged, unreadable } from './files.ts'
import type { Link, Meta } from './meta.ts'
import type { RecordTable } from './record-table.ts'
import type { Tuning } from './tuning.ts'

/** The WAL's header and one frame of the smallest page: https://www.sqlite.org/fileformat2.html, 4.1 */
const WAL_BYTES_MIN = 32 + 24 + 512

/** `found` is what was there before SQLite opened the files; without a WAL, the mark is the main file's. */
export function checkMark(files: LogFiles, found: FilesFound, meta: Meta): void {
  if (meta.mark !== 'open' || (found.walBytes ?? 0) >= WAL_BYTES_MIN) return
  const state = found.walBytes === undefined ? 'missing' : 'empty'
  throw damaged(
    files,
    `${files.wal} is ${state}, and the log was not closed: what it wrote last was in there`,
  )
}

/** A backup under the name of a log. Throws LOG_UNREADABLE. */
export function checkNoBackup(files: LogFiles, meta: Meta): void {
  if (meta.mark !== 'backup') return
  throw unreadable(
    `${files.main} is a backup of the log ${meta.logId}: move it away, and restore it by \`pledged log restore\`, which gives the restored log an id of its own`,
  )
}

/**
 * SQLite would read the WAL up to the first frame that doesn't fit, and drop what was answered behind it. Before it
 * opens the file, under the lock (R8). What such a look can't tell is said in base/sqlite-wal; of that, the mark and the
 * records' chain find a missing and an empty WAL, and another log's. Nothing finds that a WAL was cut back to the end
 * of an earlier transaction, as a disk does that says "synced" before it is: the participants' witnesses may.
 */
export function checkWal(files: LogFiles, wal = files.wal): void {
  const damage = findWalDamage(wal)
  if (damage === undefined) return
  const place = damage.frame === 0 ? 'its header was' : `frame ${damage.frame} was`
  throw damaged(
    files,
    `${files.wal} was changed: ${place}, and frame ${damage.commitFrame} behind it ends what was written and synced later`,
  )
}

/** `expected` is what pledged.lock says; `actual` what the main file holds, if anything. */
export function checkLogId(files: LogFiles, expected: LogId | undefined, actual: LogId | undefined): void {
  if (expected === undefined || expected === actual) return
  const holds = actual === undefined ? 'holds nothing' : `is the log ${actual}`
  throw damaged(files, `${files.main} ${holds}, and pledged.lock says that the log ${expected} belongs here`)
}

/** Verifies the records that an opening acts on, and returns the last one's link. */
export function checkTail(files: LogFiles, tuning: Tuning, table: RecordTable, meta: Meta): Link {
  const last = table.lastLink() ?? meta.anchor
  if (last.position < meta.replay.position) {
    throw damaged(
      files,
      `its last record is ${last.position}, and there were at least ${meta.replay.position}`,
    )
  }
  if (meta.tail !== undefined && (last.position !== meta.tail.position || last.chain !== meta.tail.chain)) {
    throw damaged(files, `its last record is ${last.position}, and it was closed with ${meta.tail.position}`)
  }
  if (table.linkAt(meta.replay.position, meta.anchor).chain !== meta.replay.chain) {
    throw damaged(files, `record ${meta.replay.position} was changed`)
  }
  let link = meta.replay
  while (link.position < last.position) {
    const rows = table.rowsAfter(link.position, tuning.sliceRecords)
    link = table.checkChain(rows, link)
  }
  return link
}
