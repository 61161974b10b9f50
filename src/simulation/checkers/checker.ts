/**
 * A checker judges one history by what was seen of it from outside, and by what lies on the disks in the end. It
 * shares nothing with the code that it checks but the names of messages and records.
 */
import { tryParseXid, type XidPosition } from '../../base/ids.ts'
import type { DecisionRecord, OnePhaseRecord } from '../../protocol/records.ts'
import type { Observed } from '../observations.ts'

export interface FinalParticipant {
  readonly name: string
  readonly keepsWitnesses: boolean
  /** On stable storage. */
  readonly prepared: ReadonlySet<string>
  readonly applied: ReadonlyMap<string, number>
}

export interface FinalCoordinator {
  readonly unfinished: number
  readonly inDoubt: number
  readonly heuristics: number
  readonly forgottenThrough: XidPosition | undefined
  /** What is in its memory, and should not be. */
  readonly left: readonly Left[]
}

export interface Left {
  readonly of: string
  readonly count: number
}

export interface FinishedHistory {
  readonly observed: readonly Observed[]
  readonly participants: readonly FinalParticipant[]
  /** Undefined: it was not serving when everything had been well for long. */
  readonly coordinator: FinalCoordinator | undefined
  readonly pledgeMarginMs: number
  /** For so long a presumption waits for witnesses that don't answer. */
  readonly orphanGraceMs: number
  /** Questions that were not answered in the end, when nothing failed any more. */
  readonly unanswered: number
}

/** Violations, each in a sentence. */
export type Checker = (history: FinishedHistory) => string[]

/** Many checkers ask the same of a history. */
function once<Found>(
  find: (observed: readonly Observed[]) => Found,
): (observed: readonly Observed[]) => Found {
  const found = new WeakMap<readonly Observed[], Found>()
  return (observed) => {
    const known = found.get(observed)
    if (known !== undefined) return known
    const first = find(observed)
    found.set(observed, first)
    return first
  }
}

/** Every decision that reached stable storage, by xid. */
export const durableDecisions = once((observed): Map<string, DecisionRecord> => {
  const decisions = new Map<string, DecisionRecord>()
  for (const seen of observed) {
    if (seen.type === 'durable' && seen.record.type === 'decision')
      decisions.set(seen.record.xid, seen.record)
  }
  return decisions
})

/** R17: transactions that were handed to their one participant, which may commit them by itself. */
export const handedOver = once((observed): ReadonlySet<string> => {
  const xids = new Set<string>()
  for (const seen of observed) {
    if (seen.type === 'written' && seen.record.type === 'one_phase') xids.add(seen.record.xid)
    if (seen.type === 'sent' && seen.message.type === 'prepare' && seen.message.onePhase === true)
      xids.add(seen.message.xid)
  }
  return xids
})

/** Those of them that their participant has committed, with the record that was written before. */
export const committedAlone = once((observed): ReadonlyMap<string, OnePhaseRecord> => {
  const records = new Map<string, OnePhaseRecord>()
  const committed = new Map<string, OnePhaseRecord>()
  for (const seen of observed) {
    if (seen.type === 'written' && seen.record.type === 'one_phase') records.set(seen.record.xid, seen.record)
    const record = seen.type === 'branch' && seen.change === 'committed' && records.get(seen.xid)
    if (record) committed.set(record.xid, record)
  }
  return committed
})

/**
 * Transactions all of whose branches voted read-only. They changed nothing, and need no record: after a crash
 * they are as good as aborted, and their log may say so.
 */
export const readOnlyTransactions = once((observed): Set<string> => {
  const branches = new Groups()
  const readOnly = new Groups()
  for (const seen of observed) {
    if (seen.type === 'sent' && seen.message.type === 'prepare')
      branches.add(seen.message.xid, seen.participant)
    if (seen.type === 'enlisted') branches.add(seen.xid, seen.participant)
    if (seen.type === 'called' && seen.call.xid !== undefined) {
      for (const prepared of seen.call.prepared ?? [])
        if (prepared.readOnly) readOnly.add(seen.call.xid, prepared.participant)
    }
    if (seen.type !== 'heard' || seen.message.type !== 'vote') continue
    if (seen.message.vote.vote === 'read_only') readOnly.add(seen.message.xid, seen.participant)
  }
  const isHarmless = ([xid, names]: [string, ReadonlySet<string>]) =>
    [...names].every((name) => readOnly.of(xid).has(name))
  return new Set([...branches.entries()].filter(isHarmless).map(([xid]) => xid))
})

/**
 * Names of transactions that a coordinator on an old copy of the log gave out before it was found out (R11). A branch
 * that an application prepared under one of them is foreign to the log.
 */
export function issuedByCopies(observed: readonly Observed[]): ReadonlySet<string> {
  const epochs = new Set<string>()
  const named = new Set<string>()
  for (const seen of observed) {
    if (seen.type === 'opened') epochs.add(seen.epoch)
    if (seen.type === 'answered_by_copy') named.add(seen.said.xid)
  }
  return new Set([...named].filter((xid) => !epochs.has(tryParseXid(xid)?.epoch ?? '')))
}

/**
 * Branches that a person ended, at the resource or by an order: by transaction, where. What they did there is no fault
 * of the protocol's.
 */
export const endedByHand = once((observed): Groups => {
  const byHand = new Groups()
  for (const seen of observed) {
    if (seen.type === 'ended_by_hand') byHand.add(seen.xid, seen.participant)
    if (seen.type === 'ordered' && seen.request.action === 'forget_branch')
      byHand.add(seen.request.xid, seen.request.participant)
    // R15: it was committed without the vote of this branch.
    if (seen.type === 'written' && seen.record.type === 'heuristic' && seen.record.withoutVote === true)
      byHand.add(seen.record.xid, seen.record.participant)
  }
  return byHand
})

/** Sets of names by a key. */
export class Groups {
  readonly #sets = new Map<string, Set<string>>()

  add(key: string, member: string): void {
    const set = this.#sets.get(key)
    if (set === undefined) this.#sets.set(key, new Set([member]))
    else set.add(member)
  }

  get size(): number {
    return this.#sets.size
  }

  delete(key: string, member: string): void {
    this.#sets.get(key)?.delete(member)
  }

  of(key: string): ReadonlySet<string> {
    return this.#sets.get(key) ?? NONE
  }

  entries(): Iterable<[string, ReadonlySet<string>]> {
    return this.#sets.entries()
  }
}

const NONE: ReadonlySet<string> = new Set()
