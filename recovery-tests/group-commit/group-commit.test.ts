/**
 * Group commit on the real log: with two null participants and 64 transactions in flight, one forced write serves
 * many of them. Counted by the log's own counter; a count, not a time.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/limits.ts'
import { systemClock, systemRandom, systemTimers } from '../../src/base/ports.ts'
import { Coordinator } from '../../src/coordinator/coordinator.ts'
import { SqliteLog } from '../../src/log/sqlite/index.ts'
import { ParticipantHost } from '../../src/sdk/participant/host.ts'
import type { Participant } from '../../src/sdk/participant/index.ts'
import { MemoryDialer } from '../../src/transport/memory/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'pledged-group-'))
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** Votes yes, keeps nothing. */
function nullParticipant(name: string): Participant {
  const ending = { result: 'done', message: '', evidence: 'none' } as const
  return {
    describe: () => Promise.resolve({ kind: 'null', resourceId: name, keepsWitnesses: false }),
    prepare: () => Promise.resolve({ vote: 'yes' }),
    commit: () => Promise.resolve(ending),
    abort: () => Promise.resolve(ending),
    listPrepared: () => Promise.resolve({ branches: [], nextPageToken: '' }),
    close: () => Promise.resolve(),
  }
}

async function startCoordinator(log: SqliteLog): Promise<Coordinator> {
  const dialers = ['left', 'right'].map(
    (name) =>
      new MemoryDialer({
        name,
        host: () => new ParticipantHost({ name, participant: nullParticipant(name) }),
      }),
  )
  const coordinator = new Coordinator({
    log,
    limits: defaultLimits,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    dialers,
  })
  await coordinator.start()
  await expect.poll(() => coordinator.status().participants.filter(({ up }) => up).length).toBe(2)
  return coordinator
}

/** Keeps that many transactions in flight until that many have committed; answers with forced writes per transaction. */
async function forcedWritesPerTransaction(
  coordinator: Coordinator,
  inFlight: number,
  transactions: number,
): Promise<number> {
  const work = new Uint8Array()
  const before = coordinator.status().forcedWrites
  let begun = 0
  const lane = async () => {
    while (begun < transactions) {
      begun += 1
      const { transaction } = await coordinator.execute({
        caller: 'test',
        branches: [
          { participant: 'left', work },
          { participant: 'right', work },
        ],
        waitFor: 'decision',
      })
      expect(transaction.outcome).toBe('committed')
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
  return (coordinator.status().forcedWrites - before) / transactions
}

describe('group commit', () => {
  it('forces at most once for 8 transactions at 64 in flight, and at least once', async () => {
    const coordinator = await startCoordinator(new SqliteLog({ directory: join(directory, 'many') }))
    const perTransaction = await forcedWritesPerTransaction(coordinator, 64, 6_400)
    process.stdout.write(`forced writes per transaction, 64 in flight: ${perTransaction.toFixed(4)}\n`)
    expect(perTransaction).toBeLessThanOrEqual(1 / 8)
    expect(perTransaction).toBeGreaterThan(0)
    await coordinator.stop()
  })

  it('forces once for each where only one is in flight', async () => {
    const coordinator = await startCoordinator(new SqliteLog({ directory: join(directory, 'one') }))
    expect(await forcedWritesPerTransaction(coordinator, 1, 50)).toBeGreaterThanOrEqual(1)
    await coordinator.stop()
  })
})
