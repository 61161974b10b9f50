/** The bounds of the log's own housekeeping; tests make all of them small. */
export interface Tuning {
  /**
   * Records between the oldest one that an opening must know and the newest; beyond it (or beyond four times the
   * number of such records) the oldest are carried forward. It bounds what an opening reads.
   */
  readonly replayRecordsMax: number
  /** The place from which an opening reads is moved when it can move that far. */
  readonly replayAdvanceRecords: number
  /** Transactions (and the like) that are carried forward in one batch. */
  readonly carriedPerBatchMax: number
  /** Records of one slice of a listing, of the background check, and of a purge. */
  readonly sliceRecords: number
  /** Bytes of the WAL, about, after which it is copied into the main file. */
  readonly checkpointBytes: number
}

export const defaultTuning: Tuning = {
  replayRecordsMax: 32_768,
  replayAdvanceRecords: 4_096,
  carriedPerBatchMax: 256,
  sliceRecords: 1_024,
  checkpointBytes: 16 << 20,
}
