/**
 * `pledged log restore`: a backup becomes a log again, under an id of its own. What its records say stays true, and is
 * delivered. The log that it was copied from may have gone on meanwhile, and decided what the backup doesn't know: so
 * nothing is presumed of that log's xids, and a request that was first sent before the restoration, and is not in the
 * backup, is not run again.
 *
 * Nothing is at its place before it is whole: after a kill, it is done once more.
 */
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import Database from 'better-sqlite3'
import { PledgedError } from '../../base/errors.ts'
import { drawLogId, type LogId } from '../../base/ids.ts'
import type { Clock, Random } from '../../base/ports.ts'
import { checkpoint } from './database.ts'
import { DirectoryLock } from './directory-lock.ts'
import { openFailure } from './failures.ts'
import type { LogFiles } from './files.ts'
import {
  checkMainFile,
  ensureDirectory,
  logFiles,
  lookAtFiles,
  syncDirectory,
  syncFile,
  unreadable,
} from './files.ts'
import { type Inheritance, readInheritance } from './inheritance.ts'
import type { Meta } from './meta.ts'
import { readMeta, writeMeta } from './meta.ts'
import { formatOf, migrate } from './migrations.ts'
import { verifyCopy } from './verify.ts'

export interface RestoreReport {
  /** Both absolute. */
  readonly file: string
  readonly directory: string
  /** The new one. */
  readonly logId: LogId
  readonly backupTimeMs: number | undefined
  readonly restoreTimeMs: number
  readonly inherited: Inheritance
}

export interface RestorePorts {
  readonly clock: Clock
  readonly random: Random
}

/** Throws LOG_IN_USE, LOG_DAMAGED, LOG_UNREADABLE, and USAGE where the directory holds a log. */
export function restoreLog(file: string, directory: string, ports: RestorePorts): RestoreReport {
  const backup = resolve(file)
  if (statSync(backup, { throwIfNoEntry: false })?.isFile() !== true) {
    throw unreadable(`${backup} is not a file: name one that \`pledged log backup\` made`)
  }
  const files = logFiles(directory)
  ensureDirectory(files)
  try {
    refuseOccupied(files)
    const lock = DirectoryLock.take(files)
    try {
      const owner = lock.logId()
      if (owner !== undefined) throw occupied(files, `pledged.lock says that the log ${owner} belongs there`)
      refuseOccupied(files)
      return restoreLocked(backup, files, lock, ports)
    } finally {
      lock.release()
    }
  } catch (error) {
    throw error instanceof PledgedError ? error : openFailure(error, files)
  }
}

function restoreLocked(
  backup: string,
  files: LogFiles,
  lock: DirectoryLock,
  ports: RestorePorts,
): RestoreReport {
  const made = logFiles(join(files.directory, 'restoring'))
  const clear = (): void => rmSync(made.directory, { recursive: true, force: true })
  clear()
  try {
    mkdirSync(made.directory, { mode: 0o700 })
    copyFileSync(backup, made.main)
    checkBackup(backup, made)
    const report = giveNewId(made, ports)
    syncFile(made.main)
    renameSync(made.main, files.main)
    syncDirectory(files.directory)
    lock.rememberLogId(report.logId)
    return { ...report, file: backup, directory: files.directory }
  } finally {
    clear()
  }
}

/** Throws unless the copy is a whole backup; brings one of an older format forward. */
function checkBackup(backup: string, made: LogFiles): void {
  try {
    const found = lookAtFiles(made)
    checkMainFile(made, found, true)
    withDatabase(made, (database) => {
      if (formatOf(database) === 0 || readMeta(database).mark !== 'backup') throw notABackup(backup)
      migrate(database, () => readMeta(database).logId)
    })
    const original = logFiles(made.directory)
    const copy = { original, copy: made, found: lookAtFiles(made), expectedLogId: undefined }
    const [problem] = verifyCopy({ ...copy, remove: () => {} }).problems
    if (problem !== undefined) throw new PledgedError('LOG_DAMAGED', problem)
  } catch (error) {
    const failure = openFailure(error, made)
    if (failure.code !== 'LOG_DAMAGED') throw failure
    const damage = failure.metadata['damage'] ?? failure.message
    throw new PledgedError(
      'LOG_DAMAGED',
      `${backup} is not a whole backup: ${damage.replaceAll(made.main, backup)}; nothing was restored, use another one`,
      { cause: error },
    )
  }
}

function giveNewId(
  made: LogFiles,
  { clock, random }: RestorePorts,
): Omit<RestoreReport, 'file' | 'directory'> {
  return withDatabase(made, (database) => {
    const meta = readMeta(database)
    const inherited = readInheritance(database, meta)
    const logId = drawLogId(random)
    const restoreTimeMs = clock.wallMs()
    const { backupTimeMs, ...kept } = meta
    const restored: Meta['restored'] = {
      logIds: [meta.logId, ...inherited.earlierLogIds],
      timeMs: restoreTimeMs,
      through: (meta.tail ?? meta.anchor).position,
      epochNumber: meta.epochNumber,
    }
    database.transaction(() => writeMeta(database, { ...kept, logId, mark: 'closed', restored }))()
    checkpoint(database, 'TRUNCATE')
    return { logId, backupTimeMs, restoreTimeMs, inherited }
  })
}

function withDatabase<T>(made: LogFiles, use: (database: Database.Database) => T): T {
  const database = new Database(made.main, { timeout: 0 })
  try {
    return use(database)
  } finally {
    database.close()
  }
}

function refuseOccupied(files: LogFiles): void {
  const there = [files.main, files.wal, files.keptWal].find((path) => existsSync(path))
  if (there !== undefined) throw occupied(files, `${there} is there`)
}

function occupied(files: LogFiles, why: string): PledgedError {
  return new PledgedError(
    'USAGE',
    `${files.directory} holds a log already (${why}), and a restored one replaces nothing: name another directory`,
  )
}

function notABackup(file: string): PledgedError {
  return unreadable(
    `${file} is not a backup: name a file that \`pledged log backup\` made; a copy of a log's files is none, since the log may have gone on`,
  )
}
