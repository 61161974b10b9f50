/**
 * What a log's records, read in their order, come to. Both backends fold their records through here, so that
 * replay means the same in both. A record may occur twice (a log carries old records forward); that changes
 * nothing.
 */
import { PledgedError } from '../base/errors.ts'
import type { Epoch, Xid, XidPosition } from '../base/ids.ts'
import { compareXids, epochNumber } from '../base/ids.ts'
import { auditEventsMax } from '../base/limits.ts'
import {
  type AbortedRecord,
  type AcknowledgementRecord,
  type AuditRecord,
  type BranchForgottenRecord,
  type DecisionRecord,
  type EndRecord,
  type HeuristicRecord,
  type KeptTransaction,
  type OnePhaseRecord,
  type ParticipantRecord,
  type PauseRecord,
  type SupersededRecord,
  unacknowledged,
} from '../protocol/records.ts'
import type { EndedQuery } from './log.ts'
import type { StoredRecord, TransactionRecord } from './stored-record.ts'
import { endsIn, placeOf } from './stored-record.ts'

export class History {
  readonly #epochs = new Map<number, Epoch>()
  readonly #unended = new Map<Xid, DecisionRecord>()
  readonly #handedOver = new Map<Xid, OnePhaseRecord>()
  readonly #heuristics = new Map<string, HeuristicRecord>()
  readonly #participants = new Map<string, ParticipantRecord>()
  readonly #branchesForgotten = new Map<string, BranchForgottenRecord>()
  readonly #pauses = new Map<string, PauseRecord>()
  /** By their text: one that was carried forward is found twice. */
  readonly #audit = new Map<string, AuditRecord>()
  #forgottenThrough: XidPosition | undefined
  #superseded: SupersededRecord | undefined

  apply(record: StoredRecord): void {
    switch (record.type) {
      case 'decision':
        this.#unended.set(record.xid, record)
        this.#handedOver.delete(record.xid)
        return
      case 'one_phase':
        this.#handedOver.set(record.xid, record)
        return
      case 'end':
        this.#unended.delete(record.xid)
        return
      case 'ends':
        for (const { xid } of endsIn(record)) this.#unended.delete(xid)
        return
      case 'aborted':
        if (this.#unended.has(record.xid)) throw contradicted(record.xid)
        this.#handedOver.delete(record.xid)
        return
      case 'acknowledgement':
        this.#acknowledge(record)
        return
      case 'branch_forgotten':
        this.#branchesForgotten.set(`${record.xid} ${record.participant}`, record)
        return
      case 'pause':
        this.#pauses.set(record.participant, record)
        return
      case 'audit':
        this.#noteAudit(record)
        return
      case 'heuristic':
        this.#heuristics.set(heuristicKey(record), record)
        return
      case 'participant':
        this.#participants.set(record.name, record)
        return
      case 'operator':
        return
      case 'superseded':
        this.#superseded = record
        return
      case 'epochs':
        for (const epoch of record.epochs) this.#epochs.set(epochNumber(epoch), epoch)
        return
      case 'forgotten':
        this.#forgottenThrough = { epochNumber: record.epochNumber, sequence: record.sequence }
    }
  }

  get epochs(): readonly Epoch[] {
    return [...this.#epochs].sort(([left], [right]) => left - right).map(([, epoch]) => epoch)
  }

  get forgottenThrough(): XidPosition | undefined {
    return this.#forgottenThrough
  }

  /** Oldest first. */
  get unended(): readonly DecisionRecord[] {
    return oldestFirst(this.#unended.values())
  }

  /** Oldest first. */
  get handedOver(): readonly OnePhaseRecord[] {
    return oldestFirst(this.#handedOver.values())
  }

  get superseded(): SupersededRecord | undefined {
    return this.#superseded
  }

  /** Unacknowledged. */
  get heuristics(): readonly HeuristicRecord[] {
    return [...this.#heuristics.values()]
  }

  /** Of unended transactions. */
  get branchesForgotten(): readonly BranchForgottenRecord[] {
    return [...this.#branchesForgotten.values()].filter(({ xid }) => this.#unended.has(xid))
  }

  get pauses(): readonly PauseRecord[] {
    return [...this.#pauses.values()].filter(({ paused }) => paused)
  }

  /** Oldest first. */
  get audit(): readonly AuditRecord[] {
    return [...this.#audit.values()].sort((left, right) => left.timeMs - right.timeMs)
  }

  get participants(): readonly ParticipantRecord[] {
    return [...this.#participants.values()]
  }

  isUnended(xid: Xid): boolean {
    return this.#unended.has(xid) || this.#handedOver.has(xid)
  }

  #acknowledge({ xid, participants }: AcknowledgementRecord): void {
    for (const [key, heuristic] of this.#heuristics) {
      if (heuristic.xid === xid && participants.includes(heuristic.participant)) this.#heuristics.delete(key)
    }
  }

  #noteAudit(record: AuditRecord): void {
    this.#audit.set(JSON.stringify(record), record)
    if (this.#audit.size <= auditEventsMax) return
    const [oldest] = this.audit
    if (oldest !== undefined) this.#audit.delete(JSON.stringify(oldest))
  }
}

function oldestFirst<Record extends { readonly xid: Xid }>(records: Iterable<Record>): readonly Record[] {
  return [...records]
    .map((record) => ({ record, place: placeOf(record.xid) }))
    .sort((left, right) => compareXids(left.place, right.place))
    .map(({ record }) => record)
}

/** All of one transaction's records come to this; undefined: none of them says how it was decided. */
export function keptTransaction(records: Iterable<TransactionRecord>): KeptTransaction | undefined {
  let decision: DecisionRecord | undefined
  let aborted: AbortedRecord | undefined
  let end: EndRecord | undefined
  const heuristics = new Map<string, HeuristicRecord>()
  const acknowledgements = new Map<string, AcknowledgementRecord>()
  const branchesForgotten = new Map<string, BranchForgottenRecord>()
  for (const record of records) {
    if (record.type === 'decision') decision = record
    else if (record.type === 'aborted') aborted = record
    else if (record.type === 'end') end = record
    else if (record.type === 'heuristic') heuristics.set(heuristicKey(record), record)
    else if (record.type === 'acknowledgement') acknowledgements.set(String(record.participants), record)
    else if (record.type === 'branch_forgotten') branchesForgotten.set(record.participant, record)
  }
  if (decision !== undefined && aborted !== undefined) throw contradicted(decision.xid)
  const record = decision ?? aborted
  return (
    record && {
      record,
      ...(end && { end }),
      heuristics: [...heuristics.values()],
      acknowledgements: [...acknowledgements.values()],
      branchesForgotten: [...branchesForgotten.values()],
    }
  )
}

/** When the transaction ended, or undefined: it has not. */
export function endTimeMs(kept: KeptTransaction): number | undefined {
  return kept.record.type === 'aborted' ? kept.record.endTimeMs : kept.end?.endTimeMs
}

/** R9: hidden at once, dropped later. What is unended, or broken and not acknowledged, is never forgotten. */
export function isForgotten(kept: KeptTransaction, through: XidPosition | undefined): boolean {
  if (through === undefined || endTimeMs(kept) === undefined || unacknowledged(kept).length > 0) return false
  return compareXids(placeOf(kept.record.xid), through) <= 0
}

/** Whether an ended transaction is one that the query asks for, its place apart. */
export function matchesQuery(kept: KeptTransaction, query: EndedQuery): boolean {
  if (endTimeMs(kept) === undefined) return false
  const outcome = kept.record.type === 'decision' ? 'committed' : 'aborted'
  if (query.outcome !== undefined && query.outcome !== outcome) return false
  return query.participant === undefined || participantsOf(kept).includes(query.participant)
}

function participantsOf({ record }: KeptTransaction): readonly string[] {
  return record.type === 'decision' ? [...record.branches, ...record.readOnly] : record.branches
}

function heuristicKey(record: HeuristicRecord): string {
  return `${record.xid} ${record.participant} ${record.ended}`
}

function contradicted(xid: Xid): PledgedError {
  return new PledgedError('LOG_DAMAGED', `${xid} is both committed and aborted`)
}
