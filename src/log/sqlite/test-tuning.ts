import type { Tuning } from './tuning.ts'

/** For tests: what otherwise happens once in ten thousand records happens every few. */
export const smallTuning: Tuning = {
  replayRecordsMax: 16,
  replayAdvanceRecords: 4,
  carriedPerBatchMax: 2,
  sliceRecords: 5,
  checkpointBytes: 100_000,
}
