/** What an operator should see in the daemon's log: told to whoever runs the coordinator, as it happens. */
import type { Effect } from '../protocol/effects.ts'
import type { AuditRecord, HeuristicRecord } from '../protocol/records.ts'

export type Notice =
  | { readonly type: 'participant'; readonly name: string; readonly event: string; readonly reason: string }
  | {
      readonly type: 'heuristic'
      readonly xid: string
      readonly participant: string
      readonly message: string
    }
  /** What an operator did; it is durable. */
  | AuditRecord
  | { readonly type: 'log_failed'; readonly reason: string }
  /** R11: this log is an old copy, or a clone. It goes on, decides nothing and presumes nothing. */
  | { readonly type: 'superseded'; readonly reason: string }

export class Notices {
  readonly #tell: (notice: Notice) => void

  constructor(tell: ((notice: Notice) => void) | undefined) {
    this.#tell = tell ?? (() => {})
  }

  heuristic(record: HeuristicRecord): void {
    this.#tell(record)
  }

  audit(record: AuditRecord): void {
    this.#tell(record)
  }

  logFailed(reason: string): void {
    this.#tell({ type: 'log_failed', reason })
  }

  superseded(reason: string): void {
    this.#tell({ type: 'superseded', reason })
  }

  /** But for what is everyday life. */
  recovery({ participant, signal }: Extract<Effect, { type: 'recovery' }>): void {
    if (signal.type === 'scanned' || signal.type === 'owed' || signal.type === 'settled') return
    const reason = 'reason' in signal ? signal.reason : ''
    this.#tell({ type: 'participant', name: participant, event: signal.type, reason })
  }
}
