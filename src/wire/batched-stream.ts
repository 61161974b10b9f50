/**
 * The writing end of a batched stream, for both ends of AttachParticipant. What is queued during one turn of the
 * event loop leaves as one message, or as several where it exceeds `batchItemsMax` or `batchBytesMax`. Nothing waits
 * for a message to fill.
 *
 * While the stream takes no more (`write` said false), items wait here, up to `linkQueueBytesMax`; they leave in
 * fewer, fuller messages at its `drain`. Over that bound the writer drops everything and says so, once: a peer that
 * doesn't read must not fill the memory of one that does.
 */
import { assert } from '../base/assert.ts'
import type { Limits } from '../base/limits.ts'
import { systemTimers, type Timers } from '../base/ports.ts'
import type { BatchCodec } from './batch.ts'

/** What is needed of a stream; both of gRPC's duplex streams are such. */
export interface MessageSink<Message> {
  /** False: no more for now, until 'drain'. The message is taken all the same. */
  write(message: Message): boolean
  on(event: 'drain', listener: () => void): unknown
}

export type BatchLimits = Pick<Limits, 'batchItemsMax' | 'batchBytesMax' | 'linkQueueBytesMax'>

export interface BatchedWriterOptions<Item, Message> {
  readonly sink: MessageSink<Message>
  readonly codec: BatchCodec<Item, Message>
  readonly limits: BatchLimits
  /** More waits than may; nothing more is written. Called once, never from within `send`. */
  readonly onOverflow: () => void
  readonly timers?: Pick<Timers, 'soon'> | undefined
}

export class BatchedWriter<Item, Message> {
  readonly #sink: MessageSink<Message>
  readonly #codec: BatchCodec<Item, Message>
  readonly #limits: BatchLimits
  readonly #onOverflow: () => void
  readonly #timers: Pick<Timers, 'soon'>
  #queue: Item[] = []
  /** Items of `#queue` before this one are written. */
  #head = 0
  #queuedBytes = 0
  #blocked = false
  #scheduled = false
  #closed = false

  constructor(options: BatchedWriterOptions<Item, Message>) {
    assert(options.limits.batchItemsMax >= 1, 'a batch holds at least one item')
    this.#sink = options.sink
    this.#codec = options.codec
    this.#limits = options.limits
    this.#onOverflow = options.onOverflow
    this.#timers = options.timers ?? systemTimers
    this.#sink.on('drain', () => {
      this.#blocked = false
      this.#flush()
    })
  }

  /** Bytes that wait, by the codec's estimate. */
  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** Queues the items. On a closed writer they are dropped. */
  send(items: readonly Item[]): void {
    if (this.#closed || items.length === 0) return
    for (const item of items) {
      this.#queue.push(item)
      this.#queuedBytes += this.#codec.bytesOf(item)
    }
    if (this.#queuedBytes > this.#limits.linkQueueBytesMax) this.#overflow()
    else this.#schedule()
  }

  /** Writes what the stream still takes, then nothing more. */
  finish(): void {
    this.#flush()
    this.close()
  }

  /** Drops what waits. */
  close(): void {
    this.#closed = true
    this.#queue = []
    this.#head = 0
    this.#queuedBytes = 0
  }

  #schedule(): void {
    if (this.#scheduled || this.#blocked) return
    this.#scheduled = true
    this.#timers.soon(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #overflow(): void {
    this.close()
    this.#timers.soon(this.#onOverflow)
  }

  #flush(): void {
    while (!this.#closed && !this.#blocked && this.#head < this.#queue.length) {
      this.#blocked = !this.#sink.write(this.#nextMessage())
    }
    if (this.#head < this.#queue.length || this.#head === 0) return
    this.#queue = []
    this.#head = 0
  }

  /** As many items as fit; one that alone is over the bytes goes by itself. */
  #nextMessage(): Message {
    const { batchItemsMax, batchBytesMax } = this.#limits
    const draft = this.#codec.start()
    let bytes = 0
    let items = 0
    for (; items < batchItemsMax; items += 1) {
      const item = this.#queue[this.#head]
      if (item === undefined) break
      const itemBytes = this.#codec.bytesOf(item)
      if (items > 0 && bytes + itemBytes > batchBytesMax) break
      if (!draft.add(item)) break
      bytes += itemBytes
      this.#head += 1
    }
    assert(items > 0, 'a draft takes its first item')
    this.#queuedBytes -= bytes
    return draft.finish()
  }
}
