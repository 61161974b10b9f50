/** The files of a log's directory, and what is done to them as files: before SQLite opens them, or after. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { messageOf, PledgedError } from '../../base/errors.ts'

export interface LogFiles {
  readonly directory: string
  readonly lock: string
  readonly main: string
  readonly wal: string
  /** A second name of the WAL, for as long as SQLite could remove the first one (see `closeKeepingWal`). */
  readonly keptWal: string
  readonly pid: string
}

/** What is there before SQLite opens it; undefined: no such file. */
export interface FilesFound {
  readonly mainBytes: number | undefined
  readonly mainHeader: Buffer | undefined
  readonly walBytes: number | undefined
}

const SQLITE_MAGIC = 'SQLite format 3\0'
const HEADER_BYTES = 100

export function logFiles(directory: string): LogFiles {
  const absolute = resolve(directory)
  const main = join(absolute, 'pledged.db')
  return {
    directory: absolute,
    lock: join(absolute, 'pledged.lock'),
    main,
    wal: `${main}-wal`,
    keptWal: `${main}-wal.kept`,
    pid: join(absolute, 'pledged.pid'),
  }
}

/** Makes the directory where it is missing. Throws LOG_UNREADABLE. */
export function ensureDirectory(files: LogFiles): void {
  const { directory } = files
  try {
    const created = mkdirSync(directory, { recursive: true, mode: 0o700 })
    if (created !== undefined) syncDirectory(dirname(created))
  } catch (error) {
    const isFile = statSync(directory, { throwIfNoEntry: false })?.isDirectory() === false
    if (isFile)
      throw unreadable(`${directory} is a file: name a directory for the log, or move the file away`, error)
    throw unreadable(`the directory ${directory} of the log can not be made: ${messageOf(error)}`, error)
  }
  try {
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw unreadable(
      `the directory ${directory} of the log can not be written: ${messageOf(error)}; give it to this user, or name another`,
      error,
    )
  }
}

/** What SQLite will find. Undoes a `closeKeepingWal` that a kill interrupted. Only under the lock. */
export function lookAtFiles(files: LogFiles): FilesFound {
  restoreKeptWal(files)
  const mainBytes = bytesOf(files.main)
  const mainHeader = mainBytes === undefined ? undefined : readHeader(files.main)
  return { mainBytes, mainHeader, walBytes: bytesOf(files.wal) }
}

/** R7: what SQLite would take for an empty database, or for a shorter one. Throws LOG_DAMAGED. */
export function checkMainFile(files: LogFiles, found: FilesFound, expected: boolean): void {
  const { main } = files
  if (found.mainBytes === undefined || found.mainBytes === 0) {
    const state = found.mainBytes === 0 ? 'empty' : 'missing'
    if (expected) throw damaged(files, `${main} is ${state}, and pledged.lock says that a log was in it`)
    if ((found.walBytes ?? 0) > 0) throw damaged(files, `${main} is ${state}, and its WAL is still there`)
    return
  }
  const header = found.mainHeader ?? Buffer.alloc(HEADER_BYTES)
  if (found.mainBytes < HEADER_BYTES) {
    throw damaged(files, `${main} was cut short: ${found.mainBytes} bytes are left`)
  }
  if (header.toString('latin1', 0, SQLITE_MAGIC.length) !== SQLITE_MAGIC) {
    throw damaged(files, `${main} is not a log: it doesn't begin as a SQLite file does`)
  }
  // With a WAL, a checkpoint may have been cut short: SQLite repeats it.
  if ((found.walBytes ?? 0) > 0) return
  const expectedBytes = bytesByHeader(header)
  if (found.mainBytes < expectedBytes) {
    throw damaged(files, `${main} was cut short: ${found.mainBytes} bytes of ${expectedBytes} are left`)
  }
}

export function damaged(files: LogFiles, what: string, cause?: unknown): PledgedError {
  return new PledgedError(
    'LOG_DAMAGED',
    `the log in ${files.directory} is damaged: ${what}. Decisions may be missing: keep the directory as it is, and restore a backup of the log into another one`,
    { cause, metadata: { directory: files.directory, damage: what } },
  )
}

export function unreadable(sentence: string, cause?: unknown): PledgedError {
  return new PledgedError('LOG_UNREADABLE', sentence, { cause })
}

/**
 * SQLite removes the WAL when its last connection closes, and has no switch for that here. A log that ends
 * without its closing mark (after a failed write, or before it was checked) must leave its WAL to the next
 * opening, which would take a missing one for damage (R7). Hence a second name for it meanwhile: the frames
 * that the close may have copied into the main file are copied again, to the same effect.
 */
export function closeKeepingWal(files: LogFiles, close: () => void): void {
  if ((bytesOf(files.wal) ?? 0) > 0 && !existsSync(files.keptWal)) linkSync(files.wal, files.keptWal)
  close()
  restoreKeptWal(files)
}

export function writePid(files: LogFiles): void {
  writeFileSync(files.pid, `${process.pid}\n`)
}

export function removePid(files: LogFiles): void {
  rmSync(files.pid, { force: true })
}

/** For a sentence only: the pid may be another container's. */
export function readPid(files: LogFiles): string | undefined {
  try {
    return /^\d+/.exec(readFileSync(files.pid, 'utf8'))?.[0]
  } catch {
    return undefined
  }
}

export function syncDirectory(directory: string): void {
  sync(directory, 'r')
}

export function syncFile(path: string): void {
  sync(path, 'r+')
}

function sync(path: string, flags: string): void {
  const descriptor = openSync(path, flags)
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function restoreKeptWal(files: LogFiles): void {
  if (!existsSync(files.keptWal)) return
  if (existsSync(files.wal)) rmSync(files.keptWal)
  else renameSync(files.keptWal, files.wal)
}

function bytesOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size
}

function readHeader(path: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  const descriptor = openSync(path, 'r')
  try {
    readSync(descriptor, header, 0, HEADER_BYTES, 0)
  } finally {
    closeSync(descriptor)
  }
  return header
}

/** https://www.sqlite.org/fileformat2.html, 1.3: page size at 16 (1 means 65,536), pages at 28. */
function bytesByHeader(header: Buffer): number {
  const pageBytes = header.readUInt16BE(16)
  return (pageBytes === 1 ? 65_536 : pageBytes) * header.readUInt32BE(28)
}
