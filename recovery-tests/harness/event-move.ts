/** What the applications under test do: events go into the sink, and the offset of their partition past them, or neither does. */
import { GROUP, TOPIC } from '../../src/demo/names.ts'
import type { Branches } from '../../src/sdk/client/index.ts'

export interface EventMove {
  readonly ownerEpoch: number
  readonly partition: number
  /** The first event, and the stored offset. */
  readonly from: number
  /** Behind the last. */
  readonly to: number
}

export function eventMove({ ownerEpoch, partition, from, to }: EventMove): Branches {
  const events = Array.from({ length: to - from }, (_, index) => from + index)
  return [
    {
      participant: 'sink',
      work: {
        statements: events.map((event) => ({
          sql: 'INSERT INTO events (event, payload) VALUES (?, ?)',
          params: [event, String(partition)],
          expect_rows: 1,
        })),
      },
    },
    {
      participant: 'offsets',
      work: { group: GROUP, owner_epoch: ownerEpoch, advance: [{ topic: TOPIC, partition, from, to }] },
    },
  ]
}
