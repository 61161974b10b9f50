/** The log's questions. Those that may take long are generators: each step does one slice, and appends come first. */
import type { Xid, XidPosition } from '../../base/ids.ts'
import { parseXid } from '../../base/ids.ts'
import type { KeptTransaction } from '../../protocol/records.ts'
import { endTimeMs, isForgotten, keptTransaction, matchesQuery } from '../history.ts'
import type { EndedQuery } from '../log.ts'
import { isTransactionRecord, requestKey } from '../stored-record.ts'
import type { RequestLookup } from './messages.ts'
import type { Link } from './meta.ts'
import type { RecordTable } from './record-table.ts'

/** What a reader must know of the log at the moment of its question. */
export interface ReadableLog {
  readonly table: RecordTable
  readonly anchor: Link
  readonly forgottenThrough: XidPosition | undefined
  readonly tuning: { readonly sliceRecords: number }
}

const LOOKUPS_PER_SLICE = 128
const FIRST: XidPosition = { epochNumber: 0, sequence: 0 }
const BEHIND_ALL: XidPosition = { epochNumber: Number.MAX_SAFE_INTEGER, sequence: 0 }

export function findTransaction(log: ReadableLog, xid: Xid): KeptTransaction | undefined {
  const kept = keptAt(log, parseXid(xid))
  return kept?.record.xid === xid ? kept : undefined
}

/** For each name every kept attempt of its request, oldest first. */
export function* findRequests(
  log: ReadableLog,
  names: readonly RequestLookup[],
): Generator<void, readonly (readonly KeptTransaction[])[]> {
  const found: (readonly KeptTransaction[])[] = []
  for (const { caller, requestId } of names) {
    if (found.length % LOOKUPS_PER_SLICE === LOOKUPS_PER_SLICE - 1) yield
    found.push(findRequest(log, caller, requestId))
  }
  return found
}

export function findRequest(log: ReadableLog, caller: string, requestId: string): readonly KeptTransaction[] {
  const places = log.table.placesOfRequest(requestKey(caller, requestId), log.anchor)
  const distinct = new Map(places.map((place) => [placeName(place), place]))
  return [...distinct.values()]
    .sort((left, right) => left.epochNumber - right.epochNumber || left.sequence - right.sequence)
    .map((place) => keptAt(log, place))
    .filter((kept) => kept !== undefined)
}

export function* listEnded(log: ReadableLog, query: EndedQuery): Generator<void, readonly KeptTransaction[]> {
  const ended: KeptTransaction[] = []
  let before = query.before ?? BEHIND_ALL
  while (true) {
    const places = log.table.placesBelow(before, log.tuning.sliceRecords)
    for (const place of places) {
      if (ended.length >= query.pageSize) return ended
      const kept = keptAt(log, place)
      if (kept !== undefined && matchesQuery(kept, query)) ended.push(kept)
    }
    const last = places.at(-1)
    if (last === undefined) return ended
    before = last
    yield
  }
}

export function* expired(log: ReadableLog, endedBeforeMs: number): Generator<void, XidPosition | undefined> {
  let highest: XidPosition | undefined
  let after = log.forgottenThrough ?? FIRST
  while (true) {
    const places = log.table.placesAbove(after, log.tuning.sliceRecords)
    for (const place of places) {
      const kept = keptAt(log, place)
      if (kept === undefined) continue
      if ((endTimeMs(kept) ?? Number.POSITIVE_INFINITY) >= endedBeforeMs) return highest
      highest = place
    }
    const last = places.at(-1)
    if (last === undefined) return highest
    after = last
    yield
  }
}

/** Whether a request's transaction is kept that is not among the unended ones. */
export function keepsRequests(log: ReadableLog, unended: readonly { readonly xid: Xid }[]): boolean {
  const shown = new Set(unended.map(({ xid }) => placeName(parseXid(xid))))
  for (const place of log.table.placesWithRequest()) {
    if (!shown.has(placeName(place)) && keptAt(log, place) !== undefined) return true
  }
  return false
}

function placeName({ epochNumber, sequence }: XidPosition): string {
  return `${epochNumber}.${sequence}`
}

function keptAt(log: ReadableLog, place: XidPosition): KeptTransaction | undefined {
  const kept = keptTransaction(log.table.recordsOf(place, log.anchor).filter(isTransactionRecord))
  return kept !== undefined && isForgotten(kept, log.forgottenThrough) ? undefined : kept
}
