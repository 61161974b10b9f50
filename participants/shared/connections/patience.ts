/** Waiting for what may never come. */
import { PledgedError } from '../../../src/sdk/participant/index.ts'
import { leftMs } from '../servers/places.ts'

export interface Until {
  readonly signal?: AbortSignal | undefined
  /** By `performance.now()`. */
  readonly deadlineMs?: number | undefined
}

/** Rejects with what `late` makes when the signal fires, or the time is up. What was awaited isn't stopped by it. */
export async function within<T>(
  { signal, deadlineMs }: Until,
  awaited: Promise<T>,
  late: () => Error,
): Promise<T> {
  const gaveUp = Promise.withResolvers<never>()
  const giveUp = (): void => gaveUp.reject(late())
  const timer = deadlineMs === undefined ? undefined : setTimeout(giveUp, leftMs(deadlineMs))
  if (signal?.aborted === true) giveUp()
  else signal?.addEventListener('abort', giveUp, { once: true })
  try {
    return await Promise.race([awaited, gaveUp.promise])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
  }
}

/** Between the signal and the end of what is under way: most statements have ended by then, and keep their connection. */
const GRACE_MS = 500

/** Calls `then` a moment after the signal has fired, unless the returned function was called before. */
export function soonAfter(signal: AbortSignal, then: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    timer = setTimeout(then, GRACE_MS)
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  return () => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

/** A connection that nobody gave away in time goes back as soon as it comes. */
export async function takenWithin<T>(
  until: Until,
  taken: Promise<T>,
  giveBack: (connection: T) => void,
): Promise<T> {
  try {
    return await within(until, taken, noConnection)
  } catch (error) {
    taken.then(giveBack, () => {})
    throw error
  }
}

function noConnection(): PledgedError {
  return new PledgedError(
    'UNAVAILABLE',
    "no connection of the pool became free in the transaction's time: make the pool larger, or the transactions shorter",
  )
}
