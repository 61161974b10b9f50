import { describe, expect, it } from 'vitest'
import type { BatchCodec } from './batch.ts'
import { BatchedWriter, type BatchLimits } from './batched-stream.ts'

/** Items are numbers, each as many bytes as it says; a message is the list of them. 13 fits beside nothing. */
const codec: BatchCodec<number, number[]> = {
  start: () => {
    const items: number[] = []
    return {
      add: (item) => {
        if (items.length > 0 && item === 13) return false
        items.push(item)
        return true
      },
      finish: () => items,
    }
  },
  bytesOf: (item) => item,
}

class Sink {
  readonly written: number[][] = []
  /** Messages that are taken before it says no. */
  room = Number.POSITIVE_INFINITY
  #drain: () => void = () => {}

  write(message: number[]): boolean {
    this.written.push(message)
    this.room -= 1
    return this.room > 0
  }

  on(_event: 'drain', listener: () => void): void {
    this.#drain = listener
  }

  drain(room: number): void {
    this.room = room
    this.#drain()
  }
}

function makeWriter(limits: Partial<BatchLimits> = {}) {
  const sink = new Sink()
  const turns: (() => void)[] = []
  const overflows: number[] = []
  const writer = new BatchedWriter({
    sink,
    codec,
    limits: { batchItemsMax: 100, batchBytesMax: 100, linkQueueBytesMax: 1_000, ...limits },
    onOverflow: () => overflows.push(turns.length),
    timers: { soon: (run) => turns.push(run) },
  })
  const turn = () => {
    for (const run of turns.splice(0)) run()
  }
  return { sink, writer, turn, turns, overflows }
}

describe('BatchedWriter', () => {
  it('writes what was queued in one turn as one message, and nothing before its end', () => {
    const { sink, writer, turn, turns } = makeWriter()
    writer.send([1, 2])
    writer.send([3])
    writer.send([])
    expect(sink.written).toEqual([])
    expect(turns).toHaveLength(1)
    turn()
    expect(sink.written).toEqual([[1, 2, 3]])
    writer.send([4])
    turn()
    expect(sink.written).toEqual([[1, 2, 3], [4]])
    expect(writer.queuedBytes).toBe(0)
  })

  it('splits by items, by bytes, and where the codec says so', () => {
    const byItems = makeWriter({ batchItemsMax: 2 })
    byItems.writer.send([1, 2, 3, 4, 5])
    byItems.turn()
    expect(byItems.sink.written).toEqual([[1, 2], [3, 4], [5]])

    const byBytes = makeWriter({ batchBytesMax: 10 })
    byBytes.writer.send([4, 6, 1, 25, 2])
    byBytes.turn()
    expect(byBytes.sink.written).toEqual([[4, 6], [1], [25], [2]])

    const byCodec = makeWriter()
    byCodec.writer.send([1, 13, 2])
    byCodec.turn()
    expect(byCodec.sink.written).toEqual([[1], [13, 2]])
  })

  it('stops when the stream is full, queues meanwhile, and goes on at its drain', () => {
    const { sink, writer, turn } = makeWriter({ batchItemsMax: 2 })
    sink.room = 1
    writer.send([1, 2, 3])
    turn()
    expect(sink.written).toEqual([[1, 2]])
    writer.send([4])
    turn()
    expect(sink.written).toEqual([[1, 2]])
    expect(writer.queuedBytes).toBe(7)
    sink.drain(5)
    expect(sink.written).toEqual([
      [1, 2],
      [3, 4],
    ])
    expect(writer.queuedBytes).toBe(0)
  })

  it('drops everything at the bound and says so once, later', () => {
    const { sink, writer, turn, overflows } = makeWriter({ linkQueueBytesMax: 10 })
    sink.room = 1
    writer.send([1])
    turn()
    writer.send([5, 5])
    turn()
    expect(overflows).toHaveLength(0)
    writer.send([1])
    writer.send([1])
    expect(overflows).toHaveLength(0)
    turn()
    expect(overflows).toHaveLength(1)
    sink.drain(5)
    turn()
    expect(sink.written).toEqual([[1]])
    expect(writer.queuedBytes).toBe(0)
  })

  it('finishes with what the stream still takes', () => {
    const open = makeWriter()
    open.writer.send([1])
    open.writer.finish()
    open.writer.send([2])
    open.turn()
    expect(open.sink.written).toEqual([[1]])

    const full = makeWriter({ batchItemsMax: 1 })
    full.sink.room = 2
    full.writer.send([1, 2, 3])
    full.writer.finish()
    full.sink.drain(5)
    expect(full.sink.written).toEqual([[1], [2]])
  })

  it('drops what waits when it is closed', () => {
    const { sink, writer, turn } = makeWriter()
    writer.send([1])
    writer.close()
    turn()
    expect(sink.written).toEqual([])
  })
})
