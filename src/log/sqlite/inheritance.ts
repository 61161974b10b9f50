/** What is in a log for whoever comes after it: a backup says it, and a restored log inherits it. */
import type { Database } from 'better-sqlite3'
import type { LogId, XidPosition } from '../../base/ids.ts'
import type {
  DecisionRecord,
  HeuristicRecord,
  OnePhaseRecord,
  ParticipantRecord,
} from '../../protocol/records.ts'
import { History } from '../history.ts'
import type { Meta } from './meta.ts'
import { decodeRow, RecordTable } from './record-table.ts'
import { defaultTuning } from './tuning.ts'

export interface Inheritance {
  readonly logId: LogId
  /** The logs that it was restored from itself, the latest first. */
  readonly earlierLogIds: readonly LogId[]
  /** Of its newest opening. */
  readonly epochNumber: number
  /** How many are in it, in all. */
  readonly records: number
  /** Decided to commit, and not acknowledged by all: they are delivered. */
  readonly unended: readonly DecisionRecord[]
  /** Handed to their one participant (R17), with no record of how they ended: nobody asks for it any more. */
  readonly handedOver: readonly OnePhaseRecord[]
  /** Nobody has acknowledged them. */
  readonly heuristics: readonly HeuristicRecord[]
  readonly participants: readonly ParticipantRecord[]
  readonly forgottenThrough: XidPosition | undefined
}

/** Of a log that was verified. */
export function readInheritance(database: Database, meta: Meta): Inheritance {
  const table = new RecordTable(database)
  const history = new History()
  let after = meta.replay.position
  let rows = table.rowsAfter(after, defaultTuning.sliceRecords)
  while (rows.length > 0) {
    for (const row of rows) history.apply(decodeRow(row))
    after = rows.at(-1)?.position ?? after
    rows = table.rowsAfter(after, defaultTuning.sliceRecords)
  }
  const { unended, handedOver, heuristics, participants, forgottenThrough } = history
  return {
    logId: meta.logId,
    earlierLogIds: meta.restored?.logIds ?? [],
    epochNumber: meta.epochNumber,
    records: (table.lastLink() ?? meta.anchor).position - meta.anchor.position,
    unended,
    handedOver,
    heuristics,
    participants,
    forgottenThrough,
  }
}
