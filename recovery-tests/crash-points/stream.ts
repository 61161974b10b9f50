/**
 * The application, a process of its own: one stream of transactions, each of which has ended everywhere before the next
 * begins, so that at most one is under way at any kill.
 *
 * Arguments: ADDRESS OFFSETS_FILE JOURNAL. Its parent says { type: 'go', requests }: 'sound'; 'sink' or 'offsets',
 * whose branch is to vote no; 'stuck', with a branch that never votes; and { type: 'hold' }, answered by { type: 'holding' } when nothing
 * is under way. Each transaction that has ended is told: { type: 'ended' }.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { claimOwnerEpoch, readOffset } from '../../participants/offsets/index.ts'
import { GROUP, PARTITION, TOPIC } from '../../src/demo/names.ts'
import { armCrashPoints } from '../../src/embedding/armed-crash-points.ts'
import { type Branches, connect, PledgedError } from '../../src/sdk/client/index.ts'
import { RecordingClient } from '../harness/recording-client.ts'
import { SILENT } from './aims.ts'

/** Under way at the daemon: asked again until it isn't. */
const POLL_MS = 5
const [address = '', offsetsFile = '', journal = ''] = process.argv.slice(2)

let requests = 'sound'
let holding = false
process.on('message', (message: { type?: unknown; requests?: unknown }) => {
  if (message.type === 'hold') holding = true
  if (message.type !== 'go') return
  requests = String(message.requests)
  holding = false
})

const coordinator = connect({ address, timeoutMs: 60_000, crashPoints: armCrashPoints(process.env) })
const client = new RecordingClient({ coordinator, journal, goesOn: () => true })
const ownerEpoch = claimOwnerEpoch({ file: offsetsFile, group: GROUP })

for (let round = 1; ; round += 1) {
  await whileHolding()
  const requestId = `${ownerEpoch}/${round}`
  await client.commit(requestId, branchesOf(requests))
  await untilEnded(requestId)
  process.send?.({ type: 'ended' })
}

async function whileHolding(): Promise<void> {
  if (holding) process.send?.({ type: 'holding' })
  while (holding) await sleep(POLL_MS)
}

function branchesOf(how: string): Branches {
  const event = readOffset({ file: offsetsFile, group: GROUP, topic: TOPIC, partition: PARTITION })
  const stuck = how === 'stuck' ? [{ participant: SILENT, work: {} }] : []
  const from = how === 'offsets' ? event + 1 : event
  return [
    {
      participant: 'sink',
      work: {
        statements: [
          {
            sql: 'INSERT INTO events (event, payload) VALUES (?, ?)',
            params: [event, String(PARTITION)],
            expect_rows: how === 'sink' ? 2 : 1,
          },
        ],
      },
    },
    {
      participant: 'offsets',
      work: {
        group: GROUP,
        owner_epoch: ownerEpoch,
        // An offset that isn't the stored one is voted down.
        advance: [{ topic: TOPIC, partition: PARTITION, from, to: from + 1 }],
      },
    },
    ...stuck,
  ]
}

async function untilEnded(requestId: string): Promise<void> {
  for (;;) {
    try {
      const { state } = await coordinator.get({ requestId })
      if (state === 'committed' || state === 'aborted') return
    } catch (error) {
      // What aborted is known by its request until the daemon is started again, and no longer.
      if (error instanceof PledgedError && error.code === 'REQUEST_NOT_FOUND') return
      throw error
    }
    await sleep(POLL_MS)
  }
}
