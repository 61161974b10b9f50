/** What happened, counted over all histories of a run: outcomes, crashes, faults, and the code that was reached. */
import type { FaultKind } from './fault-kinds.ts'
import { CHANCE_FAULT_KINDS, TIMED_FAULT_KINDS } from './fault-kinds.ts'

export class Tally {
  transactions = 0
  committed = 0
  aborted = 0
  unknown = 0
  readonly crashes: Record<string, number> = { coordinator: 0, participant: 0, client: 0 }
  readonly faults: Record<string, number> = {}
  /** Events, effects, messages and causes that the core met; for --verbose. */
  readonly reached = new Map<string, number>()

  constructor() {
    for (const kind of [...CHANCE_FAULT_KINDS, ...TIMED_FAULT_KINDS]) this.faults[kind] = 0
  }

  fault(kind: FaultKind): void {
    this.faults[kind] = (this.faults[kind] ?? 0) + 1
  }

  crash(party: 'coordinator' | 'participant' | 'client'): void {
    this.crashes[party] = (this.crashes[party] ?? 0) + 1
  }

  reach(what: string): void {
    this.reached.set(what, (this.reached.get(what) ?? 0) + 1)
  }

  get crashesInAll(): number {
    return Object.values(this.crashes).reduce((sum, count) => sum + count, 0)
  }
}
