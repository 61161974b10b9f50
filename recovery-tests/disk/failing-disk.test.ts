/**
 * R6 on real processes: a sync that fails, a write that is refused or torn, under the daemon's log and under each
 * participant's file. What waits for a failed log is unknown, and nothing more is decided; a restart finds a state that
 * all agree on. A participant whose disk fails votes no, or is asked again until it can; it needs no restart.
 *
 * The disk is the shim's (shim.c), between the processes and libc. It loses nothing that was written: what a failed
 * sync may have lost is the simulator's business.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../src/sdk/client/index.ts'
import { bringUp, NAMES, type Party, prepareRun, type Running, settle } from './running.ts'
import { type FailingDisk, type Fault, failingDisk, whyNoShim } from './shim.ts'

const root = mkdtempSync(join(tmpdir(), 'pledged-failing-disk-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const WORKERS = [0, 1, 2, 3]
const WITHIN = { timeout: 60_000, interval: 100 }

let tests = 0
let directory = ''
beforeEach(() => {
  tests += 1
  directory = join(root, String(tests))
  mkdirSync(directory)
})

interface OnFailingDisk extends Running {
  readonly disk: FailingDisk
}

/** All three, one of them on the failing disk, which doesn't fail yet. */
async function start(party: Party, fault: Fault): Promise<OnFailingDisk> {
  const disk = failingDisk(directory, fault)
  const running = prepareRun(directory)
  onTestFinished(() => running.fleet.killAll())
  await bringUp(running, (one) => (one === party ? disk.environment : undefined))
  return { ...running, disk }
}

const LOG_FAULTS: readonly Fault[] = [
  { call: 'sync', path: 'pledged.db-wal', nth: 1, effect: 'EIO' },
  { call: 'sync', path: 'pledged.db-wal', nth: 4, effect: 'EIO' },
  { call: 'write', path: 'pledged.db-wal', nth: 1, effect: 'EIO' },
  { call: 'write', path: 'pledged.db-wal', nth: 4, effect: 'ENOSPC' },
  { call: 'write', path: 'pledged.db-wal', nth: 3, effect: 'torn' },
]

it('the shim can be compiled here', () => {
  expect(whyNoShim(directory)).toBeUndefined()
})

describe('the disk of the log', () => {
  it.each(LOG_FAULTS)('$call $nth: $effect', async (fault) => {
    const running = await start('daemon', fault)
    const { fleet, disk, ledger } = running
    await using coordinator = connect({ address: fleet.address, timeoutMs: 3_000 })
    await ledger.commits(coordinator, 5)

    disk.arm()
    const isOver = ({ outcome }: { outcome: string }): boolean =>
      outcome === 'unknown' || outcome === 'refused'
    const last = await Promise.all(WORKERS.map((worker) => ledger.work(coordinator, worker, isOver)))
    expect(disk.hits()).toBeGreaterThan(0)
    expect(last.map(({ outcome }) => outcome)).toContain('unknown')
    // From then on nothing is decided, though the disk is well again.
    disk.heal()
    const after = await ledger.work(coordinator, 0, () => true)
    expect(after.outcome).not.toBe('committed')
    expect(after.outcome).not.toBe('aborted')
    expect(after.message).toMatch(/the log in .* can't be written: its disk (failed|is full)/)
    const check = await fleet.run('check', '--address', fleet.address)
    expect(check.code).toBe(2)
    expect(check.output).toMatch(/log/)

    await fleet.kill(['daemon'])
    fleet.start('daemon')
    await fleet.untilUp(NAMES)
    expect(await settle(running)).toEqual([])
    await fleet.stop()
  })

  it('fails while the daemon starts: refused with a sentence, and nothing is lost', async () => {
    const running = await start('daemon', { call: 'sync', path: 'pledged.db-wal', nth: 1, effect: 'EIO' })
    const { fleet, disk, ledger } = running
    await using coordinator = connect({ address: fleet.address, timeoutMs: 3_000 })
    await ledger.commits(coordinator, 5)
    await fleet.kill(['daemon'])
    disk.arm()
    const refused = fleet.start('daemon', { environment: disk.environment })
    expect(await refused.exited).toMatchObject({ code: 74 })
    expect(refused.lastWords).toMatch(
      /the log in .* can't be opened: .*check the directory, its owner and its disk/,
    )
    fleet.start('daemon')
    await fleet.untilUp(NAMES)
    expect(await settle(running)).toEqual([])
    await fleet.stop()
  })

  it('fails while the daemon ends: the next start finds everything', async () => {
    const running = await start('daemon', { call: 'sync', path: 'pledged.db', nth: 1, effect: 'EIO' })
    const { fleet, disk, ledger } = running
    await using coordinator = connect({ address: fleet.address, timeoutMs: 3_000 })
    await ledger.commits(coordinator, 5)
    disk.arm()
    const daemon = fleet.process('daemon')
    await daemon.stop(30_000)
    expect(disk.hits()).toBeGreaterThan(0)
    expect(daemon.lastWords).toMatch(/did not close in order/)
    fleet.start('daemon')
    await fleet.untilUp(NAMES)
    expect(await settle(running)).toEqual([])
    await fleet.stop()
  })

  it('writes half of what it is given, and says so: that is no failure', async () => {
    const running = await start('daemon', { call: 'write', path: 'pledged.db-wal', nth: 1, effect: 'short' })
    running.disk.arm()
    expect(await settle(running)).toEqual([])
    expect(running.disk.hits()).toBeGreaterThan(0)
    expect(running.ledger.told.map(({ outcome }) => outcome)).toEqual(['committed', 'committed', 'committed'])
    await running.fleet.stop()
  })
})

const FILE_FAULTS: readonly Omit<Fault, 'path'>[] = [
  { call: 'sync', nth: 1, effect: 'EIO' },
  { call: 'sync', nth: 6, effect: 'EIO' },
  { call: 'write', nth: 9, effect: 'EIO' },
  { call: 'write', nth: 5, effect: 'ENOSPC' },
  { call: 'write', nth: 12, effect: 'torn' },
]

describe.each(NAMES)('the disk of %s', (name) => {
  it.each(FILE_FAULTS)('$call $nth: $effect', async (fault) => {
    const running = await start(name, { ...fault, path: `/${name}.db-wal` })
    const { fleet, disk, ledger } = running
    await using coordinator = connect({ address: fleet.address, timeoutMs: 3_000 })
    await ledger.commits(coordinator, 5)

    disk.arm()
    const hasFailed = (): boolean => disk.hits() > 1
    await Promise.all(WORKERS.map((worker) => ledger.work(coordinator, worker, hasFailed)))
    // Nobody restarts it.
    disk.heal()
    expect(await settle(running)).toEqual([])
    await fleet.stop()
  })

  it('fails, and the process dies of it: it comes back with its pledges', async () => {
    const running = await start(name, { call: 'sync', path: `/${name}.db-wal`, nth: 5, effect: 'EIO' })
    const { fleet, disk, ledger } = running
    await using coordinator = connect({ address: fleet.address, timeoutMs: 3_000 })
    await ledger.commits(coordinator, 5)
    disk.arm()
    let goesOn = true
    const work = Promise.all(WORKERS.map((worker) => ledger.work(coordinator, worker, () => !goesOn)))
    await expect.poll(() => disk.hits(), WITHIN).toBeGreaterThan(0)
    await fleet.kill([name])
    fleet.start(name)
    await fleet.untilUp(NAMES)
    goesOn = false
    await work
    expect(await settle(running)).toEqual([])
    await fleet.stop()
  })
})
