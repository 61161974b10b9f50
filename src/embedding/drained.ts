import type { DrainReport } from '../coordinator/views.ts'

/** How things stood when a drain ended. */
export interface Drained extends DrainReport {
  /** Transactions of which a participant is still in doubt. */
  readonly inDoubt: number
  /** The participants that it waits for. */
  readonly owing: readonly string[]
  /** Participants that are away: what they hold prepared can't be known. */
  readonly away: readonly string[]
}
