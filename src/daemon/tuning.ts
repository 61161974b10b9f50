/** The bounds of the daemon's own doings; those of the protocol are in base/limits.ts. */

/** A participant's event is told again only that much later, with the number of times that it was not told. */
export const NOTICE_REPEAT_MS = 60_000

/** Unacknowledged heuristics are told again that often (I1: loudly and for ever). */
export const HEURISTIC_REPEAT_MS = 600_000

/** Heuristics told by name at once; the others are counted. */
export const HEURISTICS_TOLD_MAX = 100

/** How long the start waits for its own participants to come up, before it serves without them. */
export const FIRST_CONTACT_MS = 5_000
