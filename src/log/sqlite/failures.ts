/** What SQLite and the file system say, in the port's words. One table, by SQLite's result codes. */
import type { ErrorCode } from '../../base/errors.ts'
import { messageOf, PledgedError } from '../../base/errors.ts'
import type { LogFiles } from './files.ts'
import { damaged, readPid, unreadable } from './files.ts'

const DAMAGE = /^SQLITE_(CORRUPT|NOTADB)/
const NO_SPACE = /^(SQLITE_FULL|ENOSPC|EDQUOT)/
const IN_USE = /^SQLITE_(BUSY|LOCKED)/
const DEVICE = /^(SQLITE_IOERR|EIO)/
const OF_OPEN: readonly ErrorCode[] = ['LOG_IN_USE', 'LOG_UNREADABLE']

/** Why an opening failed. */
export function openFailure(error: unknown, files: LogFiles): PledgedError {
  const damage = damageIn(error, files)
  if (damage !== undefined) return damage
  if (error instanceof PledgedError && OF_OPEN.includes(error.code)) return error
  const code = codeOf(error)
  if (IN_USE.test(code)) return inUse(files, error)
  if (NO_SPACE.test(code)) {
    return unreadable(
      `the log in ${files.directory} can't be opened: its disk is full; make room and start again`,
      error,
    )
  }
  return unreadable(
    `the log in ${files.directory} can't be opened: ${withCode(error)}; check the directory, its owner and its disk`,
    error,
  )
}

/** Why nothing can be written any more: the sentence that everybody is refused with from now on (R6). */
export function writeFailure(error: unknown, files: LogFiles): PledgedError {
  const damage = damageIn(error, files)
  if (damage !== undefined)
    return unwritable(files, `it is damaged: ${damage.metadata['damage'] ?? ''}`, damage)
  const code = codeOf(error)
  if (NO_SPACE.test(code)) return unwritable(files, 'its disk is full', error)
  if (DEVICE.test(code)) return unwritable(files, `its disk failed: ${withCode(error)}`, error)
  return unwritable(files, withCode(error), error)
}

/** Damage, with the place that its finder need not know; undefined: the error is of another kind. */
export function damageIn(error: unknown, files: LogFiles): PledgedError | undefined {
  if (error instanceof PledgedError && error.code === 'LOG_DAMAGED') {
    return 'directory' in error.metadata ? error : damaged(files, error.message, error)
  }
  return DAMAGE.test(codeOf(error))
    ? damaged(files, `SQLite says of ${files.main}: ${messageOf(error)}`, error)
    : undefined
}

export function unwritable(files: LogFiles, what: string, cause?: unknown): PledgedError {
  return new PledgedError(
    'LOG_UNWRITABLE',
    `the log in ${files.directory} can't be written: ${what}. Nothing is decided until the cause is removed and the process restarted`,
    { cause },
  )
}

export function inUse(files: LogFiles, cause: unknown): PledgedError {
  const pid = readPid(files)
  const owner = pid === undefined ? 'another process' : `another process (${pid}, by its pledged.pid)`
  return new PledgedError(
    'LOG_IN_USE',
    `the log in ${files.directory} is in use by ${owner}: stop that one first, or name another directory`,
    { cause },
  )
}

export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}

function withCode(error: unknown): string {
  const code = codeOf(error)
  return code === '' ? messageOf(error) : `${messageOf(error)} (${code})`
}
