/**
 * A filesystem that fills up, under the log and under each participant's file. The log says that it is full, and decides
 * nothing more until there is room and it is started again; a participant votes no with a sentence, and goes on by
 * itself. Afterwards all agree.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../src/sdk/client/index.ts'
import { bringUp, NAMES, type Name, prepareRun, type Running, settle } from './running.ts'
import { SmallDisk, whyNoSmallDisk } from './small-disk.ts'

const root = mkdtempSync(join(tmpdir(), 'pledged-full-disk-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const MEGABYTES = 8
/** Enough for a few transactions. */
const LEFT_BYTES = 120_000
const LEFT_BYTES_MAX = 400_000

const reason = whyNoSmallDisk(join(root, 'trial'))
const title = reason === undefined ? '' : ` (skipped, nothing can be mounted here: ${reason})`

/** The processes, with one thing of theirs on the small disk. */
async function start(what: 'log' | `${Name}.db`): Promise<Running & { readonly disk: SmallDisk }> {
  const directory = mkdtempSync(join(root, 'fleet-'))
  const disk = new SmallDisk(join(directory, 'disk'), MEGABYTES)
  onTestFinished(() => disk[Symbol.dispose]())
  const there = join(disk.place, what)
  if (what === 'log') mkdirSync(there)
  symlinkSync(there, join(directory, what))
  const running = prepareRun(directory)
  onTestFinished(() => running.fleet.killAll())
  await bringUp(running)
  return { ...running, disk }
}

// Skipped where nothing can be mounted: there is no other small disk to fill. The title says why.
describe.skipIf(reason !== undefined)(`a full disk${title}`, () => {
  it('under the log', async () => {
    const running = await start('log')
    const { fleet, disk, ledger } = running
    await using coordinator = connect({ address: fleet.address, timeoutMs: 3_000 })
    await ledger.commits(coordinator, 3)
    disk.fill(LEFT_BYTES)
    const last = await ledger.work(
      coordinator,
      0,
      ({ outcome }) => outcome === 'unknown' || outcome === 'refused',
    )
    expect(last.message).toMatch(/not known|its disk is full/)
    const after = await ledger.work(coordinator, 0, () => true)
    expect(after.outcome).not.toMatch(/committed|aborted/)
    expect(after.message).toMatch(/the log in .* can't be written: its disk is full/)

    await fleet.kill(['daemon'])
    disk.fill(0)
    const refused = fleet.start('daemon')
    expect(await refused.exited).toMatchObject({ code: 74 })
    expect(refused.lastWords).toMatch(/can't be opened: its disk is full; make room and start again/)
    disk.makeRoom()
    fleet.start('daemon')
    await fleet.untilUp(NAMES)
    expect(await settle(running)).toEqual([])
    await fleet.stop()
  })

  it.each(NAMES)('under %s: no vote, with the reason', async (name) => {
    const running = await start(`${name}.db`)
    const { fleet, disk, ledger } = running
    await using coordinator = connect({ address: fleet.address, timeoutMs: 3_000 })
    await ledger.commits(coordinator, 3)
    disk.fill(0)
    const refused = await ledger.work(coordinator, 0, () => true)
    expect(refused.outcome).toBe('aborted')
    expect(refused.message).toMatch(
      new RegExp(`participant "${name}" voted no: .*the disk, .*, is full: make room`),
    )
    // Nobody restarts it.
    disk.makeRoom()
    expect(await settle(running)).toEqual([])
    await fleet.stop()
  })

  it.each(NAMES)('under %s, at the commit: it is asked again until there is room', async (name) => {
    const running = await start(`${name}.db`)
    const { fleet, disk, ledger } = running
    await using coordinator = connect({ address: fleet.address, timeoutMs: 3_000 })
    await ledger.commits(coordinator, 3)
    const inDoubt = async (): Promise<string> =>
      (await fleet.run('tx', 'list', '--in-doubt', '--address', fleet.address)).output
    // By how much is left, the disk is full at the vote, or at the commit that follows it.
    for (let leftBytes = 4_096; !/is full/.test(await inDoubt()); leftBytes += 4_096) {
      disk.fill(leftBytes)
      await ledger.work(coordinator, 0, () => true)
      if (leftBytes > LEFT_BYTES_MAX) throw new Error(`no commit met the full disk: ${await inDoubt()}`)
    }
    disk.makeRoom()
    expect(await settle(running)).toEqual([])
    await fleet.stop()
  })
})
