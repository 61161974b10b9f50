/** The sidecar's bounds. */

/** A daemon part that ended is started again after this, then after twice as long, and so on. */
export const RESTART_DELAY_MIN_MS = 100
export const RESTART_DELAY_MAX_MS = 10_000

/** One that has served for so long was well: the next end is the first of its kind. */
export const WELL_AFTER_MS = 10_000

/** Lives of the daemon part before the application was started; whoever started `run` waits meanwhile. */
export const FIRST_LIVES_MAX = 5

/** Lives of the daemon part after the application has ended, for what is decided and not yet delivered. */
export const LAST_LIVES_MAX = 2

/** What the daemon part may take beyond its drain timeout; then it hangs, and is killed. */
export const END_MARGIN_MS = 10_000
