/** What transactions need from outside: in production the session, the clock and chance; in the simulator its own. */
import type { CrashPoints } from '../../../base/crash-points.ts'
import type { Limits } from '../../../base/limits.ts'
import type { Clock, Random, Timers } from '../../../base/ports.ts'
import type { Sessions } from '../session/sessions.ts'

export interface TransactionPorts {
  readonly sessions: Sessions
  /** Of the coordinator, for what is said to people. */
  readonly address: string
  readonly limits: Pick<Limits, 'backoffMinMs' | 'backoffMaxMs' | 'messageBytesMax' | 'branchEndingTimeoutMs'>
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly crashPoints: CrashPoints
}

/** False where it has not settled by then. */
export async function settledWithin(
  promise: Promise<unknown>,
  timeoutMs: number,
  timers: Timers,
): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  const cancel = timers.after(timeoutMs, () => late.resolve(false))
  const settled = promise.then(
    () => true,
    () => true,
  )
  const inTime = await Promise.race([settled, late.promise])
  cancel()
  return inTime
}
