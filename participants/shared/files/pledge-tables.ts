/**
 * The durable side of a pledge: the branch in doubt, the witness of how it ended (R4), and the resource's id
 * (R10), and the logs whose coordinators were admitted (R11). An xid has an in-doubt row, or a witness, or neither; never both. All methods run inside the caller's
 * transaction.
 */
import { randomUUID } from 'node:crypto'
import {
  assert,
  type CoordinatorIdentity,
  type Epoch,
  epochNumber,
  type HeldBranch,
  isEpoch,
  type LogId,
  PledgedError,
} from '../../../src/sdk/participant/index.ts'
import { bytesOf, type Database, numberOf, type Row, textOf } from './database.ts'
import { createTables } from './opening.ts'

const FORMAT = '1'

const DEFINITIONS = [
  `CREATE TABLE IF NOT EXISTS pledged_meta (
     key TEXT PRIMARY KEY NOT NULL,
     value TEXT NOT NULL
   ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS pledged_in_doubt (
     xid TEXT PRIMARY KEY NOT NULL,
     prepare_time_ms INTEGER NOT NULL,
     work_digest TEXT NOT NULL,
     pledge BLOB NOT NULL,
     basis TEXT NOT NULL
   )`,
  `CREATE TABLE IF NOT EXISTS pledged_witness (
     xid TEXT PRIMARY KEY NOT NULL,
     outcome TEXT NOT NULL CHECK (outcome IN ('committed', 'aborted')),
     time_ms INTEGER NOT NULL
   ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS pledged_logs (
     log_id TEXT PRIMARY KEY NOT NULL,
     epoch TEXT NOT NULL,
     last_seen_ms INTEGER NOT NULL
   ) WITHOUT ROWID`,
]

export type WitnessOutcome = 'committed' | 'aborted'

/** What a branch has recorded so that it can commit. */
export interface Pledge {
  /** The resource's own words for what commit does. */
  readonly pledge: Uint8Array
  /** What must still be so when it is applied. */
  readonly basis: string
}

export interface HeldPledge extends Pledge {
  readonly xid: string
  readonly prepareTimeMs: number
  readonly workDigest: string
}

export class PledgeTables {
  readonly resourceId: string
  readonly #database: Database
  readonly #nowMs: () => number

  constructor(database: Database, options: { readonly resourceKind: string; readonly nowMs: () => number }) {
    this.#database = database
    this.#nowMs = options.nowMs
    createTables(database, [
      ...DEFINITIONS,
      `INSERT OR IGNORE INTO pledged_meta (key, value) VALUES ('format', '${FORMAT}')`,
      `INSERT OR IGNORE INTO pledged_meta (key, value) VALUES ('resource_id', '${options.resourceKind}-${randomUUID()}')`,
    ])
    const format = this.#meta('format')
    if (format !== FORMAT) {
      throw new PledgedError(
        'CONFIGURATION',
        `the pledges in this database are of format ${format}, and this version reads format ${FORMAT}: use the version that wrote them`,
      )
    }
    this.resourceId = this.#meta('resource_id')
  }

  find(xid: string): HeldPledge | undefined {
    const row = this.#database.get('SELECT * FROM pledged_in_doubt WHERE xid = ?', xid)
    return row === undefined ? undefined : heldPledgeOf(row)
  }

  insert(xid: string, pledge: Pledge, workDigest: string): void {
    const inserted = this.#database.run(
      'INSERT INTO pledged_in_doubt (xid, prepare_time_ms, work_digest, pledge, basis) VALUES (?, ?, ?, ?, ?)',
      xid,
      this.#nowMs(),
      workDigest,
      pledge.pledge,
      pledge.basis,
    )
    assert(inserted === 1, 'an in-doubt row was inserted')
  }

  remove(xid: string): void {
    const removed = this.#database.run('DELETE FROM pledged_in_doubt WHERE xid = ?', xid)
    assert(removed === 1, 'the in-doubt row that was read in this transaction was removed')
  }

  witness(xid: string): WitnessOutcome | undefined {
    const row = this.#database.get('SELECT outcome FROM pledged_witness WHERE xid = ?', xid)
    return row === undefined ? undefined : (textOf(row, 'outcome') as WitnessOutcome)
  }

  insertWitness(xid: string, outcome: WitnessOutcome): void {
    const inserted = this.#database.run(
      'INSERT INTO pledged_witness (xid, outcome, time_ms) VALUES (?, ?, ?)',
      xid,
      outcome,
      this.#nowMs(),
    )
    assert(inserted === 1, 'a witness was inserted')
  }

  /** R5: by exact xid, and never under a branch that is still prepared. */
  removeWitness(xid: string): void {
    this.#database.run(
      'DELETE FROM pledged_witness WHERE xid = ? AND NOT EXISTS (SELECT 1 FROM pledged_in_doubt WHERE xid = ?)',
      xid,
      xid,
    )
  }

  /** R11: raises the epoch that is kept for the log. Returns the one that bars this: a newer, or another of its number. */
  raiseEpoch({ logId, epoch }: CoordinatorIdentity): string | undefined {
    const row = this.#database.get('SELECT epoch FROM pledged_logs WHERE log_id = ?', logId)
    const known = row === undefined ? undefined : textOf(row, 'epoch')
    if (known !== undefined && known !== epoch && !isNewer(epoch, known)) return known
    this.#database.run(
      'INSERT OR REPLACE INTO pledged_logs (log_id, epoch, last_seen_ms) VALUES (?, ?, ?)',
      logId,
      epoch,
      this.#nowMs(),
    )
    return undefined
  }

  /** The log lives: its coordinator has just asked. */
  touchLog(logId: LogId): void {
    this.#database.run('UPDATE pledged_logs SET last_seen_ms = ? WHERE log_id = ?', this.#nowMs(), logId)
  }

  /**
   * In the order of their names, from after `afterXid`; one more than `limit` is never read. Those of another log
   * than `ownLogId` tell when that was last seen.
   */
  list(limit: number, afterXid: string, ownLogId: string): readonly HeldBranch[] {
    const rows = this.#database.all(
      `SELECT d.xid AS xid, d.prepare_time_ms AS prepare_time_ms, l.last_seen_ms AS last_seen_ms
         FROM pledged_in_doubt AS d
         LEFT JOIN pledged_logs AS l ON l.log_id = substr(d.xid, 1, instr(d.xid, '.') - 1) AND l.log_id <> ?
        WHERE d.xid > ? ORDER BY d.xid LIMIT ?`,
      ownLogId,
      afterXid,
      limit,
    )
    return rows.map((row) => ({
      xid: textOf(row, 'xid'),
      prepareTimeMs: numberOf(row, 'prepare_time_ms'),
      ...(row['last_seen_ms'] === null ? {} : { logSeenTimeMs: numberOf(row, 'last_seen_ms') }),
    }))
  }

  #meta(key: string): string {
    return textOf(this.#database.get('SELECT value FROM pledged_meta WHERE key = ?', key), 'value')
  }
}

/** An entry that is no epoch was edited by hand. Nothing can be said to be newer than it. */
function isNewer(epoch: Epoch, known: string): boolean {
  return isEpoch(known) && epochNumber(epoch) > epochNumber(known)
}

function heldPledgeOf(row: Row): HeldPledge {
  return {
    xid: textOf(row, 'xid'),
    prepareTimeMs: numberOf(row, 'prepare_time_ms'),
    workDigest: textOf(row, 'work_digest'),
    pledge: bytesOf(row, 'pledge'),
    basis: textOf(row, 'basis'),
  }
}
