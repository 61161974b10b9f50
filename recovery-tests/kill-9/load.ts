/**
 * The application under test, a process of its own: workers that each move a partition's offset and put the same
 * events into the sink, one transaction at a time, at the same time as each other.
 *
 * Arguments: ADDRESS OFFSETS_FILE JOURNAL WORKERS
 */
import { claimOwnerEpoch, readOffset } from '../../participants/offsets/index.ts'
import { GROUP, TOPIC } from '../../src/demo/names.ts'
import { connect } from '../../src/sdk/client/index.ts'
import { eventMove } from '../harness/event-move.ts'
import { RecordingClient } from '../harness/recording-client.ts'

const [address = '', offsetsFile = '', journal = '', workersText = '4'] = process.argv.slice(2)
let stopping = false
process.on('message', () => {
  stopping = true
})
// A test that was killed leaves nobody running.
process.on('disconnect', () => process.exit())

const coordinator = connect({ address, timeoutMs: 20_000 })
const client = new RecordingClient({ coordinator, journal, goesOn: () => !stopping })
const ownerEpoch = claimOwnerEpoch({ file: offsetsFile, group: GROUP })
await Promise.all(Array.from({ length: Number(workersText) }, (_, worker) => work(worker)))
await coordinator.close()
process.disconnect?.()

async function work(partition: number): Promise<void> {
  for (let round = 1; !stopping; round += 1) {
    const from = readOffset({ file: offsetsFile, group: GROUP, topic: TOPIC, partition })
    const to = from + 1 + (round % 3)
    const outcome = await client.commit(
      `${ownerEpoch}/${partition}/${round}`,
      eventMove({ ownerEpoch, partition, from, to }),
    )
    if (outcome === 'committed') process.send?.({ type: 'progress', offset: to })
  }
}
