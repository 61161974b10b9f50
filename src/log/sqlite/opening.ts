/**
 * The opening of a log, in the port's stages. Until the fence nothing is written to a log that exists, so that one
 * that is refused as damaged is left as it was found.
 */
import type { Database } from 'better-sqlite3'
import type { Epoch } from '../../base/ids.ts'
import { drawEpoch, drawLogId, epochNumber, tryParseXid } from '../../base/ids.ts'
import type { Clock, Random } from '../../base/ports.ts'
import { History } from '../history.ts'
import type { OpenedLog, OpenStage } from '../log.ts'
import type { SqliteLogFaults } from './database.ts'
import { checkpoint, openDatabase } from './database.ts'
import { DirectoryLock } from './directory-lock.ts'
import { Engine } from './engine.ts'
import { openFailure } from './failures.ts'
import type { FilesFound, LogFiles } from './files.ts'
import {
  checkMainFile,
  closeKeepingWal,
  ensureDirectory,
  lookAtFiles,
  removePid,
  syncDirectory,
  unreadable,
  writePid,
} from './files.ts'
import type { Link, Meta } from './meta.ts'
import { readMeta, writeMeta } from './meta.ts'
import type { Migration } from './migrations.ts'
import { formatOf, MIGRATIONS, migrate } from './migrations.ts'
import { checkLogId, checkMark, checkNoBackup, checkTail, checkWal } from './opening-checks.ts'
import { PinnedRecords } from './pinned-records.ts'
import { keepsRequests } from './reader.ts'
import { decodeRow, newRow, RecordTable } from './record-table.ts'
import type { Tuning } from './tuning.ts'

export interface OpeningOptions {
  readonly files: LogFiles
  readonly random: Random
  readonly clock: Clock
  readonly tuning: Tuning
  readonly faults?: SqliteLogFaults | undefined
  readonly migrations?: readonly Migration[] | undefined
}

interface Opening extends OpeningOptions {
  readonly lock: DirectoryLock
  readonly database: Database
  readonly found: FilesFound
}

interface Checked {
  readonly table: RecordTable
  readonly meta: Meta
  readonly tail: Link
}

/** Throws LOG_IN_USE, LOG_DAMAGED, LOG_UNREADABLE. */
export function openEngine(
  options: OpeningOptions,
  onStage: (stage: OpenStage) => void,
): { readonly engine: Engine; readonly opened: OpenedLog } {
  const { files } = options
  try {
    onStage('lock')
    ensureDirectory(files)
    const lock = DirectoryLock.take(files)
    try {
      writePid(files)
      return openLocked(options, lock, onStage)
    } catch (error) {
      removePid(files)
      lock.release()
      throw error
    }
  } catch (error) {
    throw openFailure(error, files)
  }
}

function openLocked(options: OpeningOptions, lock: DirectoryLock, onStage: (stage: OpenStage) => void) {
  const { files } = options
  onStage('open')
  const found = lookAtFiles(files)
  checkMainFile(files, found, lock.logId() !== undefined)
  checkWal(files)
  const database = openDatabase(files, options.faults)
  try {
    const opening: Opening = { ...options, lock, database, found }
    const checked = check(opening)
    onStage('fence')
    const { epoch, tail, meta } = fence(opening, checked)
    onStage('checkpoint')
    const marked = checkpointFence(opening, { ...checked, tail, meta })
    onStage('replay')
    return replay(opening, { ...checked, tail, meta: marked }, epoch)
  } catch (error) {
    closeKeepingWal(files, () => database.close())
    throw openFailure(error, files)
  }
}

/** R7: verifies what this opening will act on, and writes nothing (but to make a log, or to bring its format forward). */
function check(opening: Opening): Checked {
  const { database, files, found, lock } = opening
  const expected = lock.logId()
  const isNew = formatOf(database) === 0
  if (isNew) checkLogId(files, expected, undefined)
  if (!isNew) {
    const before = readMeta(database)
    checkNoBackup(files, before)
    checkMark(files, found, before)
  }
  migrate(database, () => drawLogId(opening.random), opening.migrations ?? MIGRATIONS)
  const meta = readMeta(database)
  checkLogId(files, expected, meta.logId)
  if (expected === undefined) lock.rememberLogId(meta.logId)
  if (found.mainBytes === undefined) syncDirectory(files.directory)
  const table = new RecordTable(database)
  return { table, meta, tail: checkTail(files, opening.tuning, table, meta) }
}

/** R6: in the WAL that the earlier opening may have left, so that its sync covers whatever is in there. */
function fence(opening: Opening, { table, meta, tail }: Checked): { epoch: Epoch; tail: Link; meta: Meta } {
  const { database, clock, random } = opening
  const epoch = drawEpoch(meta.epochNumber + 1, random)
  const record = { type: 'epochs', epochs: [epoch], timeMs: clock.wallMs() } as const
  const fenced: Meta = { ...meta, mark: 'opening', epochNumber: meta.epochNumber + 1, tail: undefined }
  const link = database.transaction(() => {
    writeMeta(database, fenced)
    return table.insert(newRow(record), tail)
  })()
  return { epoch, tail: link, meta: fenced }
}

/**
 * Both are read back: the epoch, and that the checkpoint was complete. Only then the main file gets the open mark,
 * by a checkpoint that leaves the WAL standing: from here on there is never a mark without a WAL.
 */
function checkpointFence({ database, files }: Opening, { table, meta, tail }: Checked): Meta {
  checkpoint(database, 'TRUNCATE')
  const last = table.lastLink()
  if (readMeta(database).epochNumber !== meta.epochNumber || last?.chain !== tail.chain) {
    throw unreadable(`the log in ${files.directory} doesn't read back what was just written: check its disk`)
  }
  const marked: Meta = { ...meta, mark: 'open' }
  database.transaction(() => writeMeta(database, marked))()
  checkpoint(database, 'PASSIVE')
  return marked
}

function replay(opening: Opening, { table, meta, tail }: Checked, epoch: Epoch) {
  const { files, lock, database, clock, tuning } = opening
  const { restored } = meta
  const history = new History()
  const pinned = new PinnedRecords()
  for (let position = meta.replay.position; position < tail.position; ) {
    const rows = table.rowsAfter(position, tuning.sliceRecords)
    for (const row of rows) {
      const record = decodeRow(row)
      // It speaks of the log that was copied: the participants have never met this one.
      if (record.type === 'superseded' && row.position <= (restored?.through ?? 0)) continue
      history.apply(record)
      pinned.note(record, row.position)
    }
    position = rows.at(-1)?.position ?? tail.position
  }
  const { forgottenThrough, unended, superseded, heuristics, participants } = history
  const epochs = history.epochs.filter((known) => epochNumber(known) > (restored?.epochNumber ?? 0))
  // To ask for its end is to bar it (R17), which is for the log that issued it.
  const handedOver = history.handedOver.filter(({ xid }) => tryParseXid(xid)?.logId === meta.logId)
  const { branchesForgotten, pauses, audit } = history
  const reads = { table, anchor: meta.anchor, forgottenThrough, tuning }
  const opened: OpenedLog = {
    logId: meta.logId,
    epoch,
    epochs,
    restored,
    forgottenThrough,
    unended,
    handedOver,
    superseded,
    heuristics,
    branchesForgotten,
    pauses,
    audit,
    participants,
    keepsRequests: keepsRequests(reads, unended),
  }
  const parts = { files, lock, database, table, clock, tuning, meta, tail, pinned, epochs, forgottenThrough }
  return { engine: new Engine(parts), opened }
}
