/** The table of records: the one place that reads and writes its rows, and that computes and checks their chain. */

import { crc32 } from 'node:zlib'
import type { Database, Statement } from 'better-sqlite3'
import { assert } from '../../base/assert.ts'
import { messageOf, PledgedError } from '../../base/errors.ts'
import type { XidPosition } from '../../base/ids.ts'
import { decodeRecord, encodeRecord } from '../record-codec.ts'
import type { EndsRecord, StoredRecord } from '../stored-record.ts'
import { ENDS_SPAN_MAX, endOf, endsIn, isTransactionRecord, placeOf, requestKeyOf } from '../stored-record.ts'
import type { Link } from './meta.ts'

export interface Row {
  readonly position: number
  readonly epoch: number | null
  readonly sequence: number | null
  readonly through_sequence: number | null
  readonly request_key: string | null
  readonly body: string
  readonly chain: number
}

/** A record as it is inserted: its body, and by what it is found. */
export interface NewRow {
  /** Of its transaction; of the first, where it is the end of several. */
  readonly place: XidPosition | undefined
  /** The sequence of the last of several. */
  readonly through: number | undefined
  readonly requestKey: string | undefined
  readonly body: string
}

export function newRow(record: StoredRecord, body = encodeRecord(record)): NewRow {
  if (record.type === 'ends') return newEndsRow(record, body)
  const place = isTransactionRecord(record) ? placeOf(record.xid) : undefined
  return { place, through: undefined, requestKey: requestKeyOf(record), body }
}

function newEndsRow(record: EndsRecord, body: string): NewRow {
  const [first] = endsIn(record)
  const place = first && placeOf(first.xid)
  return { place, through: record.ends.at(-1)?.[0], requestKey: undefined, body }
}

const COLUMNS = 'position, epoch, sequence, through_sequence, request_key, body, chain'
/** Of ends that were told together: transactions that are asked for one after the other ended together, as a rule. */
const ENDS_READ_MAX = 64

export class RecordTable {
  readonly #insert: Statement<
    [number, number | null, number | null, number | null, string | null, string, number]
  >
  readonly #after: Statement<[number, number, number], Row>
  readonly #byXid: Statement<[number, number], Row>
  readonly #endsOver: Statement<[number, number, number, number], number>
  readonly #byRequest: Statement<[string], Row>
  readonly #xidsBelow: Statement<[number, number, number], { epoch: number; sequence: number }>
  readonly #xidsAbove: Statement<[number, number, number], { epoch: number; sequence: number }>
  readonly #withRequest: Statement<[], { epoch: number; sequence: number }>
  readonly #at: Statement<[number], Row>
  readonly #chainAt: Statement<[number], number>
  readonly #lastLink: Statement<[], Link>
  readonly #hasXid: Statement<[number, number, number], number>
  readonly #hasRange: Statement<[number, number, number], number>
  readonly #hasRequest: Statement<[string, number], number>
  readonly #dropThrough: Statement<[number]>
  readonly #endsRead = new Map<number, EndsRecord>()

  constructor(database: Database) {
    const byXid = 'FROM records INDEXED BY records_by_xid'
    this.#insert = database.prepare(`INSERT INTO records (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`)
    this.#after = database.prepare(
      `SELECT ${COLUMNS} FROM records WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
    )
    this.#byXid = database.prepare(
      `SELECT ${COLUMNS} ${byXid} WHERE epoch = ? AND sequence = ? AND through_sequence IS NULL ORDER BY position`,
    )
    this.#endsOver = database
      .prepare<[number, number, number, number], number>(
        'SELECT position FROM records INDEXED BY records_by_range WHERE epoch = ? AND through_sequence BETWEEN ? AND ? AND sequence <= ?',
      )
      .pluck()
    this.#byRequest = database.prepare(
      `SELECT ${COLUMNS} FROM records WHERE request_key = ? ORDER BY position`,
    )
    this.#xidsBelow = database.prepare(
      `SELECT DISTINCT epoch, sequence ${byXid} WHERE epoch IS NOT NULL AND (epoch, sequence) < (?, ?) ORDER BY epoch DESC, sequence DESC LIMIT ?`,
    )
    this.#xidsAbove = database.prepare(
      `SELECT DISTINCT epoch, sequence ${byXid} WHERE epoch IS NOT NULL AND (epoch, sequence) > (?, ?) ORDER BY epoch, sequence LIMIT ?`,
    )
    this.#withRequest = database.prepare(
      'SELECT epoch, sequence FROM records INDEXED BY records_by_request WHERE request_key IS NOT NULL',
    )
    this.#at = database.prepare(`SELECT ${COLUMNS} FROM records WHERE position = ?`)
    this.#chainAt = database.prepare<[number], number>('SELECT chain FROM records WHERE position = ?').pluck()
    this.#lastLink = database.prepare('SELECT position, chain FROM records ORDER BY position DESC LIMIT 1')
    this.#hasXid = database
      .prepare<[number, number, number], number>(
        `SELECT 1 ${byXid} WHERE epoch = ? AND sequence = ? AND +position = ?`,
      )
      .pluck()
    this.#hasRange = database
      .prepare<[number, number, number], number>(
        'SELECT 1 FROM records INDEXED BY records_by_range WHERE epoch = ? AND through_sequence = ? AND +position = ?',
      )
      .pluck()
    this.#hasRequest = database
      .prepare<[string, number], number>(
        'SELECT 1 FROM records INDEXED BY records_by_request WHERE request_key = ? AND +position = ?',
      )
      .pluck()
    this.#dropThrough = database.prepare('DELETE FROM records WHERE position <= ?')
  }

  /** Returns the link of the new row, which follows `tail`. */
  insert({ place, through, requestKey, body }: NewRow, tail: Link): Link {
    const link = { position: tail.position + 1, chain: crc32(body, tail.chain) }
    const epoch = place?.epochNumber ?? null
    const sequence = place?.sequence ?? null
    this.#insert.run(link.position, epoch, sequence, through ?? null, requestKey ?? null, body, link.chain)
    return link
  }

  /** Rows in (`after`, `through`], at most `limit`. */
  rowsAfter(after: number, limit: number, through = Number.MAX_SAFE_INTEGER): readonly Row[] {
    return this.#after.all(after, through, limit)
  }

  lastLink(): Link | undefined {
    return this.#lastLink.get()
  }

  /** The link at a position that is at or behind the anchor. */
  linkAt(position: number, anchor: Link): Link {
    if (position === anchor.position) return anchor
    const chain = this.#chainAt.get(position)
    if (chain === undefined) throw damagedAt(position, 'is missing')
    return { position, chain }
  }

  /** Of one transaction; its end by itself, though it was told with others. */
  recordsOf({ epochNumber, sequence }: XidPosition, anchor: Link): readonly StoredRecord[] {
    const own = this.#byXid.all(epochNumber, sequence).map((row) => this.#checked(row, anchor))
    const through = sequence + ENDS_SPAN_MAX - 1
    for (const position of this.#endsOver.all(epochNumber, sequence, through, sequence)) {
      const end = endOf(this.#endsAt(position, anchor), sequence)
      if (end !== undefined) own.push(end)
    }
    return own
  }

  /** The places of every transaction that named the request; a place may occur twice. */
  placesOfRequest(key: string, anchor: Link): readonly XidPosition[] {
    return this.#byRequest.all(key).map((row) => {
      this.#checked(row, anchor)
      return placeOfRow(row)
    })
  }

  placesBelow(before: XidPosition, limit: number): readonly XidPosition[] {
    return this.#xidsBelow.all(before.epochNumber, before.sequence, limit).map(placeOfRow)
  }

  placesAbove(after: XidPosition, limit: number): readonly XidPosition[] {
    return this.#xidsAbove.all(after.epochNumber, after.sequence, limit).map(placeOfRow)
  }

  /** In no order; a place may occur twice; nothing may be written before the iteration ends. */
  *placesWithRequest(): Generator<XidPosition> {
    for (const row of this.#withRequest.iterate()) yield placeOfRow(row)
  }

  recordAt(position: number, anchor: Link): StoredRecord {
    const row = this.#at.get(position)
    if (row === undefined) throw damagedAt(position, 'is missing')
    return this.#checked(row, anchor)
  }

  /** Drops every row up to a position, which becomes the anchor. Returns how many there were. */
  dropThrough(position: number): number {
    return this.#dropThrough.run(position).changes
  }

  /** R7: throws LOG_DAMAGED unless the rows follow `previous` without a gap or a change. Returns the last link. */
  checkChain(rows: readonly Row[], previous: Link): Link {
    let last = previous
    for (const row of rows) last = checkLink(row, last)
    return last
  }

  /** Whether the row is what its body says, and found by its indexes. Returns the record. */
  checkColumns(row: Row): StoredRecord {
    const record = decodeRow(row)
    const { epoch, sequence, through_sequence: through, request_key: key } = row
    const inXids =
      epoch === null || sequence === null || this.#hasXid.get(epoch, sequence, row.position) !== undefined
    const inRanges =
      epoch === null || through === null || this.#hasRange.get(epoch, through, row.position) !== undefined
    const inRequests = key === null || this.#hasRequest.get(key, row.position) !== undefined
    if (!inXids || !inRanges || !inRequests) throw damagedAt(row.position, 'is not in its index')
    return record
  }

  #endsAt(position: number, anchor: Link): EndsRecord {
    const read = this.#endsRead.get(position)
    if (read !== undefined) return read
    const record = this.recordAt(position, anchor)
    assert(record.type === 'ends', 'an index by range leads to ends')
    for (const oldest of this.#endsRead.keys()) {
      if (this.#endsRead.size < ENDS_READ_MAX) break
      this.#endsRead.delete(oldest)
    }
    this.#endsRead.set(position, record)
    return record
  }

  /** A row that an index led to. */
  #checked(row: Row, anchor: Link): StoredRecord {
    checkLink(row, this.linkAt(row.position - 1, anchor))
    return decodeRow(row)
  }
}

/** Throws LOG_DAMAGED where the body can't be read or the columns differ from it. */
export function decodeRow(row: Row): StoredRecord {
  const record = decodeAt(row)
  const { place, through, requestKey } = newRow(record, row.body)
  const isSame =
    row.epoch === (place?.epochNumber ?? null) &&
    row.sequence === (place?.sequence ?? null) &&
    row.through_sequence === (through ?? null) &&
    row.request_key === (requestKey ?? null)
  if (!isSame) throw damagedAt(row.position, 'was changed: its columns differ from its body')
  return record
}

export function checkLink(row: Row, previous: Link): Link {
  if (row.position !== previous.position + 1) throw damagedAt(previous.position + 1, 'is missing')
  if (row.chain !== crc32(row.body, previous.chain)) {
    throw damagedAt(row.position, 'or the one before it was changed: its checksum differs')
  }
  return { position: row.position, chain: row.chain }
}

function decodeAt(row: Row): StoredRecord {
  try {
    return decodeRecord(row.body)
  } catch (error) {
    throw damagedAt(row.position, `can't be read: ${messageOf(error)}`)
  }
}

function placeOfRow(row: { readonly epoch: number | null; readonly sequence: number | null }): XidPosition {
  assert(row.epoch !== null && row.sequence !== null, 'an index by xid leads to rows with an xid')
  return { epochNumber: row.epoch, sequence: row.sequence }
}

function damagedAt(position: number, what: string): PledgedError {
  return new PledgedError('LOG_DAMAGED', `record ${position} ${what}`)
}
