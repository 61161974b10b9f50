/**
 * The stream processor, a process of its own: reads events from where the offset store says, and for each batch
 * commits the sink's rows and the consumer's offset as one transaction. It keeps nothing: whoever starts it
 * again gets on from what was committed.
 *
 * Arguments: ADDRESS OFFSETS_FILE INPUT BATCH KIND_OF_STORES
 */

import { type Coordinator, connect } from '../sdk/client/index.ts'
import { readInput } from './input.ts'
import { GROUP } from './names.ts'
import type { Job } from './stores.ts'

const [address = '', offsetsFile = '', inputFile = '', batchText = '50', kind = 'files'] =
  process.argv.slice(2)
const batchSize = Number(batchText)

await using coordinator = connect({ address, timeoutMs: 60_000 })
await processAll(coordinator, await openJob())
process.disconnect?.()

/** The drivers of the one kind aren't loaded for the other. */
async function openJob(): Promise<Job> {
  if (kind === 'databases') {
    const { DatabaseJob } = await import('./database-job.ts')
    return new DatabaseJob(offsetsFile)
  }
  const { FileJob } = await import('./file-stores.ts')
  return new FileJob(offsetsFile)
}

async function processAll(coordinator: Coordinator, job: Job): Promise<void> {
  const { events } = readInput(inputFile)
  const ownerEpoch = await job.claimOwnerEpoch()
  let position = await job.storedOffset()
  for (let request = 1; position < events.length; request += 1) {
    const to = Math.min(position + batchSize, events.length)
    const { outcome } = await coordinator.execute(
      [
        { participant: 'sink', work: job.insert(position, events.slice(position, to)) },
        { participant: 'offsets', work: job.advance({ ownerEpoch, from: position, to }) },
      ],
      { requestId: `${GROUP}/${ownerEpoch}/${request}`, retries: 1_000 },
    )
    // An abort that isn't retryable: a transaction of the process before this one has moved the offset.
    position = outcome === 'committed' ? to : await job.storedOffset()
    process.send?.({ type: 'progress', offset: position })
  }
}
