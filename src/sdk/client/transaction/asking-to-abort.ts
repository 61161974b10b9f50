/** Tells the coordinator that a transaction is given up, until it has said what became of it, or has no more time to. */
import { backoffMs } from '../../dialling.ts'
import { Scope } from '../scope.ts'
import type { TransactionPorts } from './ports.ts'

export interface AbortAsking {
  readonly xid: string
  readonly ports: TransactionPorts
  /** Ends the asking early: the client is closed, and its session with it. */
  readonly signal: AbortSignal
}

/** committed: it had been decided before. */
export type AbortAnswer = 'aborted' | 'committed' | 'unknown'

/** The caller's time is not asked for: it may be over. */
export async function askToAbort({ xid, ports, signal }: AbortAsking): Promise<AbortAnswer> {
  const { sessions, limits, clock, timers, random } = ports
  const scope = new Scope({ timeoutMs: limits.branchEndingTimeoutMs, signal, clock, timers })
  try {
    for (let failures = 0; !scope.over; failures += 1) {
      const tried = await sessions.abort(xid, scope)
      if (tried.end === 'answered' && tried.response.xid === xid) {
        const { outcome } = tried.response
        if (outcome === 'aborted' || outcome === 'committed') return outcome
      }
      // When this session ends, what it has not asked to commit aborts all the same.
      if (tried.end === 'refused' && !tried.error.retryable) return 'unknown'
      await scope.sleep(backoffMs(failures, limits, random))
    }
    return 'unknown'
  } finally {
    scope.dispose()
  }
}
