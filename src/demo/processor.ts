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
  let position = storedOffset()
  for (let request = 1; position < events.length; request += 1) {
    const to = Math.min(position + batchSize, events.length)
    const { outcome } = await coordinator.execute(
      [
        { participant: 'sink', work: { statements: [insertOf(position, events.slice(position, to))] } },
        { participant: 'offsets', work: advanceOf(ownerEpoch, position, to) },
      ],
      { requestId: `${GROUP}/${ownerEpoch}/${request}`, retries: 1_000 },
    )
    // An abort that isn't retryable: a transaction of the process before this one has moved the offset.
    position = outcome === 'committed' ? to : storedOffset()
    process.send?.({ type: 'progress', offset: position })
  }
}

function storedOffset(): number {
  return readOffset({ file: offsetsFile, group: GROUP, topic: TOPIC, partition: PARTITION })
}

function insertOf(from: number, batch: readonly string[]) {
  return {
    sql: `INSERT INTO events (event, payload) VALUES ${batch.map(() => '(?, ?)').join(', ')}`,
    params: batch.flatMap((payload, index) => [from + index, payload]),
    expect_rows: batch.length,
  }
}

function advanceOf(ownerEpoch: number, from: number, to: number) {
  return {
    group: GROUP,
    owner_epoch: ownerEpoch,
    advance: [{ topic: TOPIC, partition: PARTITION, from, to }],
  }
}
