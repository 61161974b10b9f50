/**
 * The disk of one database fills up under load. PostgreSQL refuses what needs room, MariaDB ends itself: either way the
 * transaction aborts with a sentence, the other database goes along, and when there is room again everything goes on,
 * with both sides equal and nothing left prepared.
 *
 * It needs a small filesystem, which only root can mount.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Coordinator, connect, OutcomeUnknownError } from '../../src/sdk/client/index.ts'
import { DatabaseFleet } from './fleet.ts'
import { PARTICIPANTS, type ParticipantName } from './work.ts'

const WITHIN = { timeout: 30_000 }
const SIZE = { ledger: '220m', stock: '300m' } as const
/** So much is left when the disk is "full": enough to notice it in the middle of the work. */
const LEFT_BYTES = 300_000
const REFUSALS = 20

const directory = mkdtempSync(join(tmpdir(), 'pledged-full-disk-'))
// The servers run under accounts of their own.
chmodSync(directory, 0o755)
const mounted: string[] = []

afterAll(() => {
  for (const place of mounted) execFileSync('umount', ['-l', place])
  rmSync(directory, { recursive: true, force: true })
})

const CAN_MOUNT = canMount()

// Skipped where no filesystem can be mounted: there is no other small disk to fill.
describe.skipIf(!CAN_MOUNT)('a full disk (needs the right to mount a small one)', () => {
  it.each(PARTICIPANTS)('under %s', { timeout: 180_000 }, async (name) => {
    const place = mount(name, SIZE[name])
    const fleet = await DatabaseFleet.create({ directory: join(directory, name), places: { [name]: place } })
    onTestFinished(() => fleet.end())
    for (const one of PARTICIPANTS) await fleet.databases[one].query(SCHEMA[one])
    await fleet.start('inside')
    await using coordinator = connect({ address: fleet.address, timeoutMs: 10_000 })
    await expect.poll(() => outcomeOf(coordinator), WITHIN).toBe('committed')

    const ballast = join(place, 'ballast')
    writeFileSync(ballast, Buffer.alloc(Math.max(0, freeBytes(place) - LEFT_BYTES)))
    const outcomes = new Map<string, number>()
    while ((outcomes.get('aborted') ?? 0) < REFUSALS) {
      const outcome = await outcomeOf(coordinator)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }

    rmSync(ballast)
    const { server } = fleet.databases[name]
    if (!server.running) await server.start()
    await expect.poll(() => outcomeOf(coordinator), WITHIN).toBe('committed')
    for (const one of PARTICIPANTS)
      await expect.poll(() => fleet.databases[one].prepared(), WITHIN).toEqual([])
    await expect.poll(async () => (await fleet.ask('check'))['in_doubt'], WITHIN).toBe(0)
    expect((await fleet.ask('check'))['heuristics']).toBe(0)
    const [ledger, stock] = await Promise.all(PARTICIPANTS.map((one) => rowsAt(fleet, one)))
    expect(ledger).toBe(stock)
    expect(ledger).toBeGreaterThanOrEqual(2)
  })
})

const SCHEMA: Readonly<Record<ParticipantName, string>> = {
  ledger: 'CREATE TABLE pads (id bigserial PRIMARY KEY, pad text); GRANT ALL ON pads, pads_id_seq TO ledger',
  stock: 'CREATE TABLE pads (id bigint AUTO_INCREMENT PRIMARY KEY, pad text) ENGINE=InnoDB',
}

async function outcomeOf(coordinator: Coordinator): Promise<'committed' | 'aborted' | 'unknown'> {
  const statements = [{ sql: "INSERT INTO pads (pad) VALUES (repeat('x', 20000))", params: [] }]
  try {
    const answer = await coordinator.execute([
      { participant: 'ledger', work: { statements } },
      { participant: 'stock', work: { statements } },
    ])
    return answer.outcome
  } catch (error) {
    if (error instanceof OutcomeUnknownError) return 'unknown'
    throw error
  }
}

async function rowsAt(fleet: DatabaseFleet, name: ParticipantName): Promise<number> {
  const [row] = await fleet.databases[name].query('SELECT count(*) AS n FROM pads')
  return Number(row?.['n'])
}

function mount(name: string, size: string): string {
  const place = join(directory, `disk-${name}`)
  mkdirSync(place)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=777`, 'tmpfs', place])
  mounted.push(place)
  return place
}

function canMount(): boolean {
  try {
    mount('trial', '1m')
    return true
  } catch {
    return false
  }
}

function freeBytes(place: string): number {
  const { bavail, bsize } = statfsSync(place)
  return bavail * bsize
}
