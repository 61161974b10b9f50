/** What this participant bounds beyond ../shared/servers/limits.ts. */
import { PledgedError } from '../../src/sdk/participant/index.ts'

/** Statements that a connection keeps prepared; max_prepared_stmt_count of the server is for all of them. */
export const PREPARED_STATEMENTS_MAX = 64
/** A catalogue older than this is read again before it is relied on. */
export const CATALOGUE_AGE_MAX_MS = 1_000
/** Sets of names that were looked up in one catalogue. */
export const CATALOGUE_NAMES_MAX = 10_000
/** How long a session that was killed may take to be gone. */
export const KILL_WAIT_MS = 3_000
export const KILL_POLL_MS = 10
/** The server closes a session that was idle for so long; one that holds a prepared branch is idle until its end. */
export const IDLE_SESSION_S = 28_800

/**
 * How the connections are shared out. Each branch that prepares or is prepared has one of its own (`work`) until its
 * end; whatever looks, and ends what has lost its own, takes another (`side`); the last is there to kill with.
 */
export interface PoolShares {
  readonly work: number
  readonly side: number
  readonly kill: 1
}

const POOL_SIZE_MIN = 3

export function sharesOf(poolSize: number): PoolShares {
  if (!Number.isSafeInteger(poolSize) || poolSize < POOL_SIZE_MIN) {
    throw new PledgedError(
      'CONFIGURATION',
      `a pool_size of ${poolSize} can not work: each branch in doubt needs a connection, and two more are needed to ` +
        `look after them; give at least ${POOL_SIZE_MIN}`,
    )
  }
  const side = Math.max(1, Math.round(poolSize / 6))
  return { work: poolSize - side - 1, side, kill: 1 }
}
