/**
 * A checker judges one history by what was seen of it from outside, and by what lies on the disks in the end. It
 * shares nothing with the code that it checks but the names of messages and records.
 */
import type { XidPosition } from '../../base/ids.ts'
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
}

export interface FinishedHistory {
  readonly observed: readonly Observed[]
  readonly participants: readonly FinalParticipant[]
  /** Undefined: it was not serving when everything had been well for long. */
  readonly coordinator: FinalCoordinator | undefined
  readonly pledgeMarginMs: number
  /** Questions that were not answered in the end, when nothing failed any more. */
  readonly unanswered: number
}

/** Violations, each in a sentence. */
export type Checker = (history: FinishedHistory) => string[]

/** Every decision that reached stable storage, by xid. */
export function durableDecisions(observed: readonly Observed[]): Map<string, DecisionRecord> {
  const decisions = new Map<string, DecisionRecord>()
  for (const seen of observed) {
    if (seen.type === 'durable' && seen.record.type === 'decision')
      decisions.set(seen.record.xid, seen.record)
  }
  return decisions
}

/** R17: transactions that were handed to their one participant, which may commit them by itself. */
export function handedOver(observed: readonly Observed[]): ReadonlySet<string> {
  const xids = new Set<string>()
  for (const seen of observed) {
    if (seen.type === 'written' && seen.record.type === 'one_phase') xids.add(seen.record.xid)
    if (seen.type === 'sent' && seen.message.type === 'prepare' && seen.message.onePhase === true)
      xids.add(seen.message.xid)
  }
  return xids
}

/** Those of them that their participant has committed, with the record that was written before. */
export function committedAlone(observed: readonly Observed[]): ReadonlyMap<string, OnePhaseRecord> {
  const records = new Map<string, OnePhaseRecord>()
  const committed = new Map<string, OnePhaseRecord>()
  for (const seen of observed) {
    if (seen.type === 'written' && seen.record.type === 'one_phase') records.set(seen.record.xid, seen.record)
    const record = seen.type === 'branch' && seen.change === 'committed' && records.get(seen.xid)
    if (record) committed.set(record.xid, record)
  }
  return committed
}

/**
 * Transactions all of whose branches voted read-only. They changed nothing, and need no record: after a crash
 * they are as good as aborted, and their log may say so.
 */
export function readOnlyTransactions(observed: readonly Observed[]): Set<string> {
  const asked = new Map<string, number>()
  const readOnly = new Map<string, number>()
  for (const seen of observed) {
    if (seen.type === 'sent' && seen.message.type === 'prepare') count(asked, seen.message.xid)
    if (seen.type !== 'heard' || seen.message.type !== 'vote') continue
    if (seen.message.vote.vote === 'read_only') count(readOnly, seen.message.xid)
  }
  return new Set([...asked].filter(([xid, branches]) => readOnly.get(xid) === branches).map(([xid]) => xid))
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** Branches that a person ended: by transaction, where. What they did there is no fault of the protocol's. */
export function endedByHand(observed: readonly Observed[]): Groups {
  const byHand = new Groups()
  for (const seen of observed) if (seen.type === 'ended_by_hand') byHand.add(seen.xid, seen.participant)
  return byHand
}

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
