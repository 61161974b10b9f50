/** Who is let in while the daemon isn't simply running. */
import type { PledgedError } from '../../base/errors.ts'
import type { Ready } from '../../serving/index.ts'

/** Before replay is done nobody is served: there is nothing yet that could answer truly. */
export function refusalWhileStarting(ready: Ready): PledgedError | undefined {
  const refusal = ready()
  return refusal?.code === 'STARTING' ? refusal : undefined
}

/**
 * What begins nothing new (a commit of what was begun, a question, a participant that comes back) is taken also
 * while the daemon drains, or after its log failed: it is what gets doubts resolved, and the coordinator answers
 * for itself.
 */
export function refusalOfNewWork(ready: Ready): PledgedError | undefined {
  return ready()
}
