/**
 * Items in the order they were sent, as messages that carry them grouped by kind. A group is cheaper on the wire
 * and in memory than an item apiece, and costs the order between groups. What is said of one xid keeps its order
 * all the same: a draft refuses an item that would overtake an earlier one, and the next message begins there.
 */

/** One message in the making. */
export interface BatchDraft<Item, Message> {
  /** False: the item can't go into this message, which is to be finished. The first item always can. */
  add(item: Item): boolean
  finish(): Message
}

export interface BatchCodec<Item, Message> {
  start(): BatchDraft<Item, Message>
  /** At least the bytes that the item takes in a message. */
  bytesOf(item: Item): number
}

/** Tags, lengths and numbers of one item, at their longest. */
export const ITEM_OVERHEAD_BYTES = 40

/** A UTF-16 unit takes three bytes of UTF-8 at most. */
export function textBytesMax(text: string): number {
  return text.length * 3
}

/** Tells whether an item keeps its place when items are handled group by group, in the order of their ranks. */
export class BatchOrder {
  /** What was admitted, in order. */
  readonly #xids: string[] = []
  readonly #ranksInOrder: number[] = []
  #highest = 0
  /** The highest rank of each xid; made only once an item comes that might overtake another. */
  #ranks: Map<string, number> | undefined
  #closed = false

  /** An item about one xid, in the group of that rank. */
  admits(xid: string, rank: number): boolean {
    if (this.#closed || (rank < this.#highest && this.#rankOf(xid) > rank)) return false
    this.#highest = Math.max(this.#highest, rank)
    this.#ranks?.set(xid, rank)
    if (this.#ranks === undefined) {
      this.#xids.push(xid)
      this.#ranksInOrder.push(rank)
    }
    return true
  }

  #rankOf(xid: string): number {
    this.#ranks ??= new Map(this.#xids.map((admitted, index) => [admitted, this.#ranksInOrder[index] ?? 0]))
    return this.#ranks.get(xid) ?? 0
  }

  /** An item about no xid in particular, in the last group: everything before it stays before it. */
  admitsLast(): boolean {
    if (this.#closed) return false
    this.#closed = true
    return true
  }
}
