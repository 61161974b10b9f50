/**
 * The application under test, a process of its own: workers that each move a partition's offset and put the same
 * events into the sink, one transaction at a time, at the same time as each other. It writes down what it asks
 * before it asks and what it was told after, so that its record survives its own kill -9.
 *
 * Arguments: ADDRESS OFFSETS_FILE JOURNAL WORKERS
 */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { claimOwnerEpoch, readOffset } from '../../participants/offsets/index.ts'
import { GROUP, TOPIC } from '../../src/demo/names.ts'
import { connect, OutcomeUnknownError } from '../../src/sdk/client/index.ts'

const [address = '', offsetsFile = '', journal = '', workersText = '4'] = process.argv.slice(2)
let stopping = false
process.on('message', () => {
  stopping = true
})

const coordinator = connect({ address, timeoutMs: 20_000 })
const ownerEpoch = claimOwnerEpoch({ file: offsetsFile, group: GROUP })
await Promise.all(Array.from({ length: Number(workersText) }, (_, worker) => work(worker)))
await coordinator.close()
process.disconnect?.()

async function work(partition: number): Promise<void> {
  for (let round = 1; !stopping; round += 1) {
    const from = readOffset({ file: offsetsFile, group: GROUP, topic: TOPIC, partition })
    const to = from + 1 + (round % 3)
    const requestId = `${ownerEpoch}/${partition}/${round}`
    const outcome = await commit(partition, requestId, from, to)
    if (outcome === 'committed') process.send?.({ type: 'progress', offset: to })
  }
}

async function commit(partition: number, requestId: string, from: number, to: number): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    record({ asked: requestId, attempt })
    const answer = await ask(partition, requestId, attempt, from, to)
    record({ told: requestId, attempt, ...answer })
    if (answer.outcome !== 'aborted' || !answer.retryable || stopping) return answer.outcome
    await sleep(1 + Math.random() * 10)
  }
}

async function ask(partition: number, requestId: string, attempt: number, from: number, to: number) {
  const events = Array.from({ length: to - from }, (_, index) => from + index)
  try {
    const answer = await coordinator.execute(
      [
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
      ],
      { requestId, attempt },
    )
    const retryable = answer.outcome === 'aborted' && answer.retryable
    return { outcome: answer.outcome, xid: answer.xid, retryable }
  } catch (error) {
    if (error instanceof OutcomeUnknownError) return { outcome: 'unknown', xid: '', retryable: false }
    throw error
  }
}

function record(line: object): void {
  appendFileSync(journal, `${JSON.stringify(line)}\n`)
}
