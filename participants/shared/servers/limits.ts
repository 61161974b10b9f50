/** Every bound of the participants over database servers, in one place. Tests run with them small. */

export interface ServerLimits {
  /** Connections to the database, where the options don't say. */
  readonly poolSize: number
  /** How long a statement of a branch waits for a lock, where the options don't say. */
  readonly lockTimeoutMs: number
  /** How long an abort that found nothing waits for a live writer of its witness (R4) before it is asked again. */
  readonly barLockTimeoutMs: number
  /** How long a connection may take to be made, or to become free. */
  readonly connectTimeoutMs: number
  /** How long the database may take to answer a commit, an abort or a look; then the answer counts as lost. */
  readonly answerTimeoutMs: number
  /** Branches that may be prepared or preparing at once, where the server has no limit of its own. */
  readonly branchesMax: number
  /** Entries of one work. */
  readonly workEntriesMax: number
  readonly pageSizeMax: number
  /** How long the removal of a witness waits for others to share its statement. */
  readonly forgetDelayMs: number
  /** Witnesses that one statement removes. */
  readonly forgetBatchMax: number
}

export const defaultServerLimits: ServerLimits = {
  poolSize: 16,
  lockTimeoutMs: 5_000,
  barLockTimeoutMs: 500,
  connectTimeoutMs: 5_000,
  answerTimeoutMs: 10_000,
  branchesMax: 1_000,
  workEntriesMax: 10_000,
  pageSizeMax: 1_000,
  forgetDelayMs: 100,
  forgetBatchMax: 500,
}
