/** The transactions of a memory log, by xid and by request. */
import type { Xid, XidPosition } from '../../base/ids.ts'
import { compareXids } from '../../base/ids.ts'
import type { KeptTransaction } from '../../protocol/records.ts'
import { isForgotten, keptTransaction, matchesQuery } from '../history.ts'
import type { EndedQuery } from '../log.ts'
import type { TransactionRecord } from '../stored-record.ts'
import { placeOf, requestKeyOf } from '../stored-record.ts'

interface Placed {
  readonly kept: KeptTransaction
  readonly place: XidPosition
}

export class TransactionIndex {
  readonly #records = new Map<Xid, TransactionRecord[]>()
  readonly #requests = new Map<string, Set<Xid>>()

  add(record: TransactionRecord): void {
    const records = this.#records.get(record.xid)
    if (records === undefined) this.#records.set(record.xid, [record])
    else records.push(record)
    const key = requestKeyOf(record)
    if (key === undefined) return
    const xids = this.#requests.get(key)
    if (xids === undefined) this.#requests.set(key, new Set([record.xid]))
    else xids.add(record.xid)
  }

  remove(xid: Xid): void {
    for (const record of this.#records.get(xid) ?? []) {
      const key = requestKeyOf(record)
      if (key !== undefined) this.#requests.get(key)?.delete(xid)
    }
    this.#records.delete(xid)
  }

  find(xid: Xid): KeptTransaction | undefined {
    return keptTransaction(this.#records.get(xid) ?? [])
  }

  findRequest(key: string): readonly KeptTransaction[] {
    return this.#placed(this.#requests.get(key) ?? []).map(({ kept }) => kept)
  }

  oldestFirst(): readonly Placed[] {
    return this.#placed(this.#records.keys())
  }

  listEnded(query: EndedQuery, forgottenThrough: XidPosition | undefined): readonly KeptTransaction[] {
    const { before } = query
    return this.#placed(this.#records.keys())
      .filter(({ place }) => before === undefined || compareXids(place, before) < 0)
      .map(({ kept }) => kept)
      .filter((kept) => matchesQuery(kept, query) && !isForgotten(kept, forgottenThrough))
      .reverse()
      .slice(0, query.pageSize)
  }

  #placed(xids: Iterable<Xid>): Placed[] {
    const placed: Placed[] = []
    for (const xid of xids) {
      const kept = this.find(xid)
      if (kept !== undefined) placed.push({ kept, place: placeOf(xid) })
    }
    return placed.sort((left, right) => compareXids(left.place, right.place))
  }
}
