/** The work of the fixture's transactions, and of those that are asked for after it was opened. */
import type { Branches } from '../../src/sdk/client/index.ts'

export const GROUP = 'fixture'
const TOPIC = 'events'

/** A row of a sink, and the offset that goes with it. */
export function move(
  sink: 'sink' | 'archive',
  row: { readonly id: number; readonly partition: number; readonly from: number; readonly to: number },
): Branches {
  const { id, partition, from, to } = row
  return [
    {
      participant: sink,
      work: {
        statements: [
          { sql: 'INSERT INTO events (id, event) VALUES (?, ?)', params: [id, from], expect_rows: 1 },
        ],
      },
    },
    {
      participant: 'offsets',
      work: { group: GROUP, owner_epoch: 1, advance: [{ topic: TOPIC, partition, from, to }] },
    },
  ]
}
