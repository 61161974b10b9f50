/** Every bound of the SQLite participants, in one place. Tests run with them small. */

export interface ParticipantLimits {
  /** How long SQLite waits for another process's write lock. The thread stands still meanwhile. */
  readonly busyTimeoutMs: number
  /** Operations that share one forced transaction. */
  readonly batchOperationsMax: number
  /** How long an operation that nobody waits for may wait for others to share their transaction. */
  readonly lazyDelayMs: number
  /** How often a prepare is started anew because another process wrote in between, before it votes no. */
  readonly prepareTriesMax: number
  /** Bytes of recorded changes of one pledge. */
  readonly changesetBytesMax: number
  /** Entries of one work: statements, or positions to advance. */
  readonly workEntriesMax: number
}

export const defaultParticipantLimits: ParticipantLimits = {
  busyTimeoutMs: 2_000,
  batchOperationsMax: 1_024,
  lazyDelayMs: 100,
  prepareTriesMax: 5,
  changesetBytesMax: 256 << 20,
  workEntriesMax: 10_000,
}

/** What every SQLite participant takes. */
export interface SqliteFileOptions {
  readonly file: string
  readonly limits?: Partial<ParticipantLimits> | undefined
}

export function limitsOf(options: SqliteFileOptions): ParticipantLimits {
  return { ...defaultParticipantLimits, ...options.limits }
}
