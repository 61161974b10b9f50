/** The log of a daemon that is stopped, for the command line: looked at, under its lock, and not changed. */
export { type DumpedRecord, dumpLog, type VerifyReport, verifyLog } from '../log/sqlite/index.ts'
