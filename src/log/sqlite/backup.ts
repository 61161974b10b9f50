/**
 * `pledged log backup`: one file that holds all of a log, as of now. The log's lock is taken, so that nothing is
 * written meanwhile (R8), and the files are copied; everything else is done to the copy. A log that is damaged is not
 * backed up: a backup that can't be trusted is worse than none.
 */
import { chmodSync, constants, copyFileSync, existsSync, linkSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import Database from 'better-sqlite3'
import { messageOf, PledgedError } from '../../base/errors.ts'
import type { Clock } from '../../base/ports.ts'
import { checkpoint } from './database.ts'
import { codeOf, openFailure } from './failures.ts'
import { checkMainFile, damaged, syncDirectory, syncFile, unreadable } from './files.ts'
import { type Inheritance, readInheritance } from './inheritance.ts'
import { readMeta, writeMeta } from './meta.ts'
import { formatOf, migrate } from './migrations.ts'
import { copyOffline, type OfflineCopy } from './offline-copy.ts'
import { checkMark, checkNoBackup, checkWal } from './opening-checks.ts'
import { RecordTable } from './record-table.ts'
import { verifyCopy } from './verify.ts'

export interface BackupReport extends Inheritance {
  /** Both absolute. */
  readonly directory: string
  readonly file: string
  readonly bytes: number
  readonly timeMs: number
}

/** Throws LOG_IN_USE, LOG_DAMAGED, LOG_UNREADABLE, LOG_UNWRITABLE, and USAGE where the file exists. */
export function backupLog(directory: string, file: string, clock: Clock): BackupReport {
  const target = resolve(file)
  if (existsSync(target)) throw exists(target)
  const parent = dirname(target)
  if (statSync(parent, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw unwritable(target, `${parent} is not a directory: make it, or name another file`)
  }
  const copy = copyOffline(directory, { temporaryDirectory: parent })
  try {
    const timeMs = clock.wallMs()
    const inheritance = makeBackup(copy, timeMs)
    place(copy.copy.main, target)
    const bytes = statSync(target).size
    return { ...inheritance, directory: copy.original.directory, file: target, bytes, timeMs }
  } finally {
    copy.remove()
  }
}

/** Leaves the copy's main file as the whole backup. */
function makeBackup(copy: OfflineCopy, timeMs: number): Inheritance {
  try {
    bringForward(copy)
    const [problem] = verifyCopy(copy).problems
    if (problem !== undefined) throw damaged(copy.original, problem)
    return sealed(copy, timeMs)
  } catch (error) {
    throw openFailure(error, copy.original)
  }
}

function sealed({ copy }: OfflineCopy, timeMs: number): Inheritance {
  const database = new Database(copy.main, { timeout: 0 })
  try {
    const meta = readMeta(database)
    const tail = new RecordTable(database).lastLink() ?? meta.anchor
    database.transaction(() => {
      writeMeta(database, { ...meta, mark: 'backup', tail, backupTimeMs: timeMs })
    })()
    checkpoint(database, 'TRUNCATE')
    return readInheritance(database, meta)
  } finally {
    database.close()
  }
}

/** What an opening would refuse is refused, before SQLite opens the copy; then an older format is brought forward. */
function bringForward({ original, copy, found, expectedLogId }: OfflineCopy): void {
  checkMainFile(original, found, expectedLogId !== undefined)
  checkWal(original, copy.wal)
  const database = new Database(copy.main, { timeout: 0 })
  try {
    if (formatOf(database) === 0) throw unreadable(`there is no log in ${original.directory} yet`)
    const meta = readMeta(database)
    checkNoBackup(original, meta)
    checkMark(original, found, meta)
    migrate(database, () => meta.logId)
  } finally {
    database.close()
  }
}

/** Complete and on disk under its name, or not there at all; and never in the place of another file. */
function place(made: string, target: string): void {
  try {
    chmodSync(made, 0o600)
    syncFile(made)
    linkOrCopy(made, target)
    syncDirectory(dirname(target))
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw exists(target)
    throw unwritable(target, messageOf(error), error)
  }
}

function linkOrCopy(made: string, target: string): void {
  try {
    linkSync(made, target)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw error
    // Not every file system has a second name for a file.
    copyFileSync(made, target, constants.COPYFILE_EXCL)
    syncFile(target)
  }
}

function exists(file: string): PledgedError {
  return new PledgedError(
    'USAGE',
    `${file} is there already, and a backup replaces nothing: name another file`,
  )
}

function unwritable(file: string, what: string, cause?: unknown): PledgedError {
  return new PledgedError('LOG_UNWRITABLE', `the backup ${file} can't be written: ${what}`, { cause })
}
