/**
 * The stream processor, a process of its own: reads events from where the offset store says, and for each batch
 * commits the sink's rows and the consumer's offset as one transaction. It keeps nothing: whoever starts it
 * again gets on from what was committed.
 *
 * Arguments: ADDRESS OFFSETS_FILE INPUT BATCH
 */

import { claimOwnerEpoch, readOffset } from '../../participants/offsets/index.ts'
import { type Coordinator, connect } from '../sdk/client/index.ts'
import { readInput } from './input.ts'
import { GROUP, PARTITION, TOPIC } from './names.ts'

const [address = '', offsetsFile = '', inputFile = '', batchText = '50'] = process.argv.slice(2)
const batchSize = Number(batchText)

await using coordinator = connect({ address, timeoutMs: 60_000 })
await processAll(coordinator)
process.disconnect?.()

async function processAll(coordinator: Coordinator): Promise<void> {
  const { events } = readInput(inputFile)
  // A zombie of this processor, paused and continued, is refused from here on.
  const ownerEpoch = claimOwnerEpoch({ file: offsetsFile, group: GROUP })
  for (let from = storedOffset(); from < events.length; from = storedOffset()) {
    let position = from
    while (position < events.length) {
      const to = Math.min(position + batchSize, events.length)
      const moved = await commitBatch(coordinator, ownerEpoch, position, events.slice(position, to))
      if (!moved) break
      position = to
      process.send?.({ type: 'progress', offset: position })
    }
  }
}

function storedOffset(): number {
  return readOffset({ file: offsetsFile, group: GROUP, topic: TOPIC, partition: PARTITION })
}

/** False: the offset isn't where it was thought to be; a transaction of the process before this one moved it. */
async function commitBatch(
  coordinator: Coordinator,
  ownerEpoch: number,
  from: number,
  batch: readonly string[],
): Promise<boolean> {
  const to = from + batch.length
  const result = await coordinator.execute(
    [
      { participant: 'sink', work: { statements: [insertOf(from, batch)] } },
      {
        participant: 'offsets',
        work: {
          group: GROUP,
          owner_epoch: ownerEpoch,
          advance: [{ topic: TOPIC, partition: PARTITION, from, to }],
        },
      },
    ],
    { requestId: `${GROUP}/${ownerEpoch}/${from}-${to}/${storedAttempt()}`, retries: 1_000 },
  )
  return result.outcome === 'committed'
}

/** An abort that isn't retryable is looked into (the offset is read again) and tried under a new name. */
let attempts = 0
function storedAttempt(): number {
  attempts += 1
  return attempts
}

function insertOf(from: number, batch: readonly string[]): object {
  return {
    sql: `INSERT INTO events (event, payload) VALUES ${batch.map(() => '(?, ?)').join(', ')}`,
    params: batch.flatMap((payload, index) => [from + index, payload]),
    expect_rows: batch.length,
  }
}
