/** What happened, counted over all histories of a run: outcomes, crashes, faults, exceptions, the code that was reached. */
import type { FaultKind } from './fault-kinds.ts'
import { CHANCE_FAULT_KINDS, TIMED_FAULT_KINDS } from './fault-kinds.ts'

/** Where a transaction may stay open without end, or end in two ways (I1, I5): named, counted and shown. */
export const EXCEPTIONS = [
  'broken_pledges',
  'foreign_branches',
  'forgotten_xids',
  'gone_participants',
  // Of no harm, and left behind: the message that sweeps one is lost in a crash (R5).
  'witnesses_left',
] as const
export type Exception = (typeof EXCEPTIONS)[number]

/** A tally as data, as it travels between threads. */
export interface Counts {
  readonly histories: number
  readonly transactions: number
  readonly committed: number
  readonly aborted: number
  readonly unknown: number
  readonly crashes: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, number>>
  readonly exceptions: Readonly<Record<string, number>>
  readonly reached: ReadonlyMap<string, number>
}

export class Tally implements Counts {
  histories = 0
  transactions = 0
  committed = 0
  aborted = 0
  unknown = 0
  readonly crashes: Record<string, number> = { coordinator: 0, participant: 0, client: 0 }
  readonly faults: Record<string, number> = {}
  readonly exceptions: Record<string, number> = {}
  /** Transitions of the core and of recovery, and where; see coverage/. Two keys, because joining them each time costs. */
  readonly #reached = new Map<string, Map<string, number>>()

  constructor() {
    for (const kind of [...CHANCE_FAULT_KINDS, ...TIMED_FAULT_KINDS]) this.faults[kind] = 0
    for (const exception of EXCEPTIONS) this.exceptions[exception] = 0
  }

  fault(kind: FaultKind): void {
    this.faults[kind] = (this.faults[kind] ?? 0) + 1
  }

  crash(party: 'coordinator' | 'participant' | 'client'): void {
    this.crashes[party] = (this.crashes[party] ?? 0) + 1
  }

  except(exception: Exception, count = 1): void {
    this.exceptions[exception] = (this.exceptions[exception] ?? 0) + count
  }

  reach(what: string, where = ''): void {
    this.#countReached(what, where, 1)
  }

  get reached(): ReadonlyMap<string, number> {
    const reached = new Map<string, number>()
    for (const [what, counts] of this.#reached) {
      for (const [where, count] of counts) reached.set(where === '' ? what : `${what} @ ${where}`, count)
    }
    return reached
  }

  get crashesInAll(): number {
    return Object.values(this.crashes).reduce((sum, count) => sum + count, 0)
  }

  add(counts: Counts): void {
    this.histories += counts.histories
    this.transactions += counts.transactions
    this.committed += counts.committed
    this.aborted += counts.aborted
    this.unknown += counts.unknown
    addAll(this.crashes, counts.crashes)
    addAll(this.faults, counts.faults)
    addAll(this.exceptions, counts.exceptions)
    for (const [what, count] of counts.reached) {
      const [name = '', where = ''] = what.split(' @ ')
      this.#countReached(name, where, count)
    }
  }

  #countReached(what: string, where: string, by: number): void {
    let counts = this.#reached.get(what)
    if (counts === undefined) {
      counts = new Map()
      this.#reached.set(what, counts)
    }
    counts.set(where, (counts.get(where) ?? 0) + by)
  }

  get counts(): Counts {
    const { histories, transactions, committed, aborted, unknown, crashes, faults, exceptions, reached } =
      this
    return { histories, transactions, committed, aborted, unknown, crashes, faults, exceptions, reached }
  }
}

function addAll(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(counts)) sums[key] = (sums[key] ?? 0) + count
}
