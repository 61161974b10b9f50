/**
 * A stream processor with the coordinator in its own process: workers that each move a partition's offset and put the same
 * events into the sink, one transaction at a time, at the same time as each other. Every so often a worker asks for what the
 * offset store votes down.
 *
 * Arguments: DIRECTORY WORKERS PLACE. Its participants are in `threads`, as the built-in ones, or `here`, as an application's own are.
 * It opens the log, waits until what the last process left is settled, checks that the
 * coordinator stands by all that was ever told, says { type: 'settled', contradictions }, and holds until it hears { type: 'go' }.
 * From then on { type: 'progress' } with each commit, until { type: 'stop' }. PLEDGED_CRASH_POINT is obeyed as by the daemon.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { claimOwnerEpoch, readOffset } from '../../participants/offsets/index.ts'
import { openParticipant } from '../../participants/registry.ts'
import { GROUP, TOPIC } from '../../src/demo/names.ts'
import { armCrashPoints, armOpeningCrashPoint } from '../../src/embedding/armed-crash-points.ts'
import { openCoordinator } from '../../src/embedding/index.ts'
import { ClientRecord } from '../harness/client-record.ts'
import { eventMove } from '../harness/event-move.ts'
import { RecordingClient } from '../harness/recording-client.ts'

const POLL_MS = 5
/** One in so many is doomed. */
const DOOMED_EVERY = 7

const [directory = '', workersText = '1', place = 'threads'] = process.argv.slice(2)
const journal = join(directory, 'journal.jsonl')
const offsetsFile = join(directory, 'offsets.db')
const diesAtStage = armOpeningCrashPoint(process.env)
let stopping = false

const ownerEpoch = claimOwnerEpoch({ file: offsetsFile, group: GROUP })
const sink = { kind: 'sqlite', file: join(directory, 'sink.db') } as const
const offsets = { kind: 'offsets', file: offsetsFile } as const
const coordinator = await openCoordinator({
  dataDirectory: join(directory, 'log'),
  participants:
    place === 'here'
      ? { sink: openParticipant('sink', sink), offsets: openParticipant('offsets', offsets) }
      : { sink, offsets },
  crashPoints: armCrashPoints(process.env),
  ...(diesAtStage !== undefined && { logFaults: { diesAtStage } }),
})
while (coordinator.status().inDoubt > 0) await sleep(POLL_MS)
const told = await new ClientRecord(journal).contradictions(coordinator, 0)
process.send?.({ type: 'settled', contradictions: told })
await new Promise<void>((resolve) => {
  process.on('message', ({ type }: { readonly type?: unknown }) => {
    if (type === 'go') resolve()
    if (type === 'stop') stopping = true
  })
})
const client = new RecordingClient({ coordinator, journal, goesOn: () => !stopping })
await Promise.all(Array.from({ length: Number(workersText) }, (_, partition) => work(partition)))
await coordinator.close()
process.disconnect?.()

async function work(partition: number): Promise<void> {
  for (let round = 1; !stopping; round += 1) {
    const from = readOffset({ file: offsetsFile, group: GROUP, topic: TOPIC, partition })
    const skipped = round % DOOMED_EVERY === 0 ? 1 : 0
    const first = from + skipped
    const branches = eventMove({ ownerEpoch, partition, from: first, to: first + 1 + (round % 3) })
    const outcome = await client.commit(`${ownerEpoch}/${partition}/${round}`, branches)
    if (outcome === 'committed') process.send?.({ type: 'progress' })
  }
}
