/** Who is let in while the daemon isn't simply running. */
import { PledgedError } from '../../base/errors.ts'
import type { Ready } from '../../serving/index.ts'

/** Before replay is done nobody is served: there is nothing yet that could answer truly. */
export function refusalWhileStarting(ready: Ready): PledgedError | undefined {
  const refusal = ready()
  return refusal?.code === 'STARTING' ? refusal : undefined
}

/**
 * What begins nothing new (a commit of what was begun, a question, a session, a participant that comes back) is taken
 * also while the daemon drains, or after its log failed: it is what gets doubts resolved, and the coordinator answers
 * for itself.
 */
export function refusalOfNewWork(ready: Ready): PledgedError | undefined {
  return ready()
}

/** Of a stream that is being opened. */
export function refusalOfStream(ready: Ready, serverCloses: boolean): PledgedError | undefined {
  if (serverCloses) return new PledgedError('DRAINING', 'the daemon is shutting down: come back in a moment')
  return refusalWhileStarting(ready)
}
