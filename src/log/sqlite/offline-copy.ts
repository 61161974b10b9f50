/**
 * A closed log, looked at without being touched. SQLite can't only look: closing a WAL database checkpoints it and
 * removes the WAL, and the next opening would take the missing WAL for damage (R7). So a copy is made, under the
 * log's lock (R8), and everything is read from the copy.
 */

import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { messageOf } from '../../base/errors.ts'
import type { LogId } from '../../base/ids.ts'
import { DirectoryLock } from './directory-lock.ts'
import { openFailure } from './failures.ts'
import type { FilesFound, LogFiles } from './files.ts'
import { logFiles, lookAtFiles, unreadable } from './files.ts'

export interface OfflineOptions {
  /** Where the copy goes, for as long as it is read; it needs as much room as the log. */
  readonly temporaryDirectory?: string | undefined
}

export interface OfflineCopy {
  readonly original: LogFiles
  readonly copy: LogFiles
  readonly found: FilesFound
  /** Which log belongs here, by pledged.lock. */
  readonly expectedLogId: LogId | undefined
  remove(): void
}

/** Throws LOG_IN_USE, LOG_UNREADABLE. */
export function copyOffline(directory: string, options: OfflineOptions = {}): OfflineCopy {
  const original = logFiles(directory)
  try {
    if (statSync(original.directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw unreadable(`${original.directory} is not a directory: name the one that holds the log (data_dir)`)
    }
    // Taking the lock would make its file.
    if (!existsSync(original.lock) && !existsSync(original.main)) {
      throw unreadable(
        `there is no log in ${original.directory}: name the directory that holds one (data_dir)`,
      )
    }
    const lock = DirectoryLock.take(original)
    try {
      return copyLocked(original, lock.logId(), options)
    } finally {
      lock.release()
    }
  } catch (error) {
    throw openFailure(error, original)
  }
}

/** Opens the copy as SQLite would open the original. */
export function openCopy({ copy, original }: OfflineCopy): Database.Database {
  try {
    return new Database(copy.main, { timeout: 0 })
  } catch (error) {
    throw openFailure(error, original)
  }
}

function copyLocked(
  original: LogFiles,
  expectedLogId: LogId | undefined,
  options: OfflineOptions,
): OfflineCopy {
  const found = lookAtFiles(original)
  const directory = mkdtempSync(join(options.temporaryDirectory ?? tmpdir(), 'pledged-log-'))
  const remove = (): void => rmSync(directory, { recursive: true, force: true })
  const copy = logFiles(directory)
  try {
    if (found.mainBytes !== undefined) copyFileSync(original.main, copy.main)
    if (found.walBytes !== undefined) copyFileSync(original.wal, copy.wal)
  } catch (error) {
    remove()
    throw unreadable(
      `the log in ${original.directory} can't be copied to ${directory}: ${messageOf(error)}`,
      error,
    )
  }
  return { original, copy, found, expectedLogId, remove }
}
