/** The log of a daemon that is stopped, for the command line: under its lock; only a restoration writes one. */
import { systemClock, systemRandom } from '../base/ports.ts'
import { type BackupReport, backupLog, type RestoreReport, restoreLog } from '../log/sqlite/index.ts'

export {
  type BackupReport,
  type DumpedRecord,
  dumpLog,
  type Inheritance,
  type RestoreReport,
  type VerifyReport,
  verifyLog,
} from '../log/sqlite/index.ts'

export function backup(directory: string, file: string): BackupReport {
  return backupLog(directory, file, systemClock)
}

export function restore(file: string, directory: string): RestoreReport {
  return restoreLog(file, directory, { clock: systemClock, random: systemRandom })
}
