/** The bounds of what is beside the protocol; those of the protocol are in base/limits.ts. */

/** A participant's event is told again only that much later, with the number of times that it was not told. */
export const NOTICE_REPEAT_MS = 60_000

/** Unacknowledged heuristics are told again that often (I1: loudly and for ever). */
export const HEURISTIC_REPEAT_MS = 600_000

/** Heuristics told by name at once; the others are counted. */
export const HEURISTICS_TOLD_MAX = 100

/** How long the start waits for its own participants to come up, before it serves without them. */
export const FIRST_CONTACT_MS = 5_000

/** A call of an embedded coordinator gets that long, unless it says otherwise; as with a daemon. */
export const CALL_TIMEOUT_MS = 30_000

/** A caller is waiting: it is not left idle for longer than that. */
export const CALLER_BACKOFF_MS = 1_000

/** How long an embedded coordinator that is being closed delivers decisions: nobody else waits for that process to end. */
export const CLOSING_DRAIN_MS = 5_000
