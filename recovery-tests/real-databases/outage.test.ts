/**
 * A database goes down with decided branches in it, and stays down for a while. Transactions to the others go on; it is
 * tried by one probe at a time, not by one per transaction; at its return everything that it is owed is delivered at once.
 *
 * 12 s; a minute with PLEDGED_FULL=1.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Coordinator, connect } from '../../src/sdk/client/index.ts'
import { only } from '../harness/test-database.ts'
import { DatabaseFleet } from './fleet.ts'
import { insertInto, moveFrom, PARTICIPANTS, type ParticipantName, seedOf } from './work.ts'

const OUTAGE_MS = process.env['PLEDGED_FULL'] === '1' ? 60_000 : 12_000
/** Below what a participant prepares at once, which its pool bounds. */
const BACKLOG = 10
const WITHIN = { timeout: 30_000 }
/** Back-off grows to seconds: this many probes in the whole outage are more than one at a time ever makes. */
const PROBES_PER_SECOND_MAX = 2

const CASES = [
  { name: 'ledger', other: 'stock', commit: 'COMMIT PREPARED' },
  { name: 'stock', other: 'ledger', commit: 'XA COMMIT' },
] as const satisfies readonly {
  readonly name: ParticipantName
  readonly other: ParticipantName
  readonly commit: string
}[]

const directory = mkdtempSync(join(tmpdir(), 'pledged-outage-'))
let fleet: DatabaseFleet

beforeAll(async () => {
  fleet = await DatabaseFleet.create({ directory })
  for (const name of PARTICIPANTS) await fleet.databases[name].query(seedOf(BACKLOG))
  await fleet.start('inside')
}, 112_000)

afterAll(async () => {
  await fleet.end()
  rmSync(directory, { recursive: true, force: true })
}, 112_000)

describe.each(CASES)('$name goes down, and $other stays', ({ name, other, commit }) => {
  it('delivers in one sweep what it owes, and leaves the others alone meanwhile', async () => {
    await using coordinator = connect({ address: fleet.address })
    const { server, proxy } = fleet.databases[name]
    const positions = await readPositions()
    proxy.deny(commit)
    const backlog = await Promise.all(
      positions.map((position, worker) => coordinator.execute(moveFrom(worker, position), { retries: 5 })),
    )
    expect(backlog.filter(({ outcome }) => outcome !== 'committed')).toEqual([])
    expect(await fleet.databases[name].prepared()).toHaveLength(BACKLOG)
    await server.kill()
    proxy.permit()
    await sleep(1_000)

    const attempts = proxy.attempts
    proxy.resetOpenAtOnceMax()
    expect(await committedMeanwhile(coordinator, other)).toBeGreaterThan(20)
    expect(proxy.attempts - attempts, 'it is tried').toBeGreaterThan(0)
    expect(proxy.attempts - attempts).toBeLessThanOrEqual((OUTAGE_MS / 1_000) * PROBES_PER_SECOND_MAX)
    expect(proxy.openAtOnceMax, 'one probe at a time').toBeLessThanOrEqual(1)

    const tried = await attemptsAt(backlog[0]?.xid ?? '', name)
    await server.start()
    await expect.poll(() => fleet.databases[name].prepared(), WITHIN).toEqual([])
    await expect.poll(async () => (await fleet.status())?.inDoubt, WITHIN).toBe(0)
    for (const { xid } of backlog) expect(await attemptsAt(xid, name)).toBeLessThanOrEqual(tried + 1)
    expect(await readPositions()).toEqual(positions.map((position) => position + 1))
  })
})

/** Transactions of one database, one after the other, until the outage is over. */
async function committedMeanwhile(coordinator: Coordinator, name: ParticipantName): Promise<number> {
  const untilMs = performance.now() + OUTAGE_MS
  let committed = 0
  while (performance.now() < untilMs) {
    const { outcome } = await coordinator.execute([insertInto(name)])
    expect(outcome).toBe('committed')
    committed += 1
    await sleep(100)
  }
  return committed
}

async function attemptsAt(xid: string, name: ParticipantName): Promise<number> {
  const { branches } = await fleet.ask('tx', 'show', xid)
  const list = branches as { participant: string; attempts?: number }[]
  return list.find(({ participant }) => participant === name)?.attempts ?? 0
}

/** Worker w's position is in one database or the other. */
async function readPositions(): Promise<number[]> {
  const read = async (name: ParticipantName, worker: number): Promise<number> =>
    Number(
      only(await fleet.databases[name].query(`SELECT position AS p FROM positions WHERE worker = ${worker}`))[
        'p'
      ],
    )
  return Promise.all(
    Array.from({ length: BACKLOG }, (_, worker) => read(worker % 2 === 0 ? 'stock' : 'ledger', worker)),
  )
}
