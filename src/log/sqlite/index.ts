/**
 * The log on a local disk: SQLite in a thread of its own, one forced write for all appends that wait.
 *
 * A log is a directory with `pledged.lock` (R8: held for the life of its owner), `pledged.db` and, while it is
 * open or after a kill, `pledged.db-wal`. The three belong together: a copy of some of them is not a log.
 * `verifyLog`, `dumpLog` and `backupLog` work on a closed log, take its lock, and change nothing. `restoreLog` makes a
 * log of a backup.
 */

export { type BackupReport, backupLog } from './backup.ts'
export type { SqliteLogFaults } from './database.ts'
export type { DumpedRecord } from './dump.ts'
export { dumpLog } from './dump.ts'
export type { Inheritance } from './inheritance.ts'
export { type RestoreReport, restoreLog } from './restore.ts'
export { SqliteLog } from './sqlite-log.ts'
export type { VerifyReport } from './verify.ts'
export { verifyLog } from './verify.ts'
