/**
 * kill -9 of the daemon, of each participant and of the application, under load, aimed at every window and at
 * random; the same log and databases throughout. After each kill: sink and offsets agree, nothing is in doubt,
 * nothing is left prepared, and the coordinator stands by every answer that it ever gave.
 *
 * 10 kills; 100 with PLEDGED_FULL=1.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { FileStores } from '../../src/demo/file-stores.ts'
import { Fleet } from '../../src/demo/fleet.ts'
import type { Kill, Party } from '../../src/demo/kill-plan.ts'
import { planKills, WindowCounts } from '../../src/demo/kill-plan.ts'
import { type Coordinator, connect } from '../../src/sdk/client/index.ts'
import { ClientRecord } from '../harness/client-record.ts'
import { disagreements } from '../harness/databases.ts'

const KILLS = process.env['PLEDGED_FULL'] === '1' ? 100 : 10
const WORKERS = 4
const SETTLES_WITHIN_MS = 60_000
const LANDS_WITHIN_MS = 60_000
const PARTIES: readonly Party[] = ['daemon', 'sink', 'offsets', 'processor']

const directory = mkdtempSync(join(tmpdir(), 'pledged-kill-'))
const journal = join(directory, 'journal.jsonl')
let moved = 0
const stores = new FileStores(directory)
const fleet = new Fleet({
  directory,
  stores,
  cliFile: resolve(import.meta.dirname, '../../dist/src/cli/pledged.js'),
  processor: { file: join(import.meta.dirname, 'load.ts'), arguments: [journal, String(WORKERS)] },
  onMessage: () => {
    moved += 1
  },
})
const windows = new WindowCounts()
let checked = 0

afterAll(() => {
  fleet.killAll()
  rmSync(directory, { recursive: true, force: true })
})

describe('kill -9 under load', () => {
  it('starts', async () => {
    await fleet.start()
    fleet.startParty('processor')
    await untilMoved(20)
  })

  const plan = planKills(KILLS)
  it.each(Array.from({ length: KILLS }, (_, index) => index))('kill %i', async (index) => {
    // One in five comes out of the blue, the others are aimed.
    const kill = plan[index]
    if (index % 5 === 4 || kill === undefined) await killAtRandom(index)
    else await killAimed(kill)
    await untilMoved(10)
    await quiesce()
    expect(disagreements(stores, WORKERS)).toEqual([])
    await standsByItsAnswers('new')
    fleet.startParty('processor')
    await untilMoved(5)
  })

  it('hit every window, and stands by every answer of the whole run', async () => {
    expect(windows.empty(4)).toEqual([])
    await quiesce()
    expect(disagreements(stores, WORKERS)).toEqual([])
    await standsByItsAnswers('all')
    await fleet.stop()
    process.stdout.write(`${KILLS} kills; windows: ${windows.toString()}; answers checked: ${checked}\n`)
  })

  it('would see a row too many, and an answer taken back', async () => {
    const sink = new DatabaseSync(stores.sinkFile)
    sink.exec(
      "INSERT INTO events (event, payload) SELECT event, payload FROM events WHERE payload = '0' LIMIT 1",
    )
    sink.close()
    expect(disagreements(stores, WORKERS)).toHaveLength(1)
    const record = new ClientRecord(journal)
    const turncoat = (outcome: string) =>
      ({ get: () => Promise.resolve({ outcome }) }) as unknown as Coordinator
    const lastCommitted = record.told.findLastIndex((one) => one.outcome === 'committed')
    const lastAborted = record.told.findLastIndex((one) => one.outcome === 'aborted')
    expect(await record.contradictions(turncoat('aborted'), lastCommitted)).not.toEqual([])
    expect(await record.contradictions(turncoat('committed'), lastAborted)).not.toEqual([])
  })
})

async function killAimed(kill: Kill): Promise<void> {
  expect(await fleet.killAt(kill, LANDS_WITHIN_MS), `${kill.victim} at ${kill.point}`).toBe(true)
  windows.add(kill.window)
  await fleet.restart(kill.victim)
}

async function killAtRandom(index: number): Promise<void> {
  const party = PARTIES[Math.floor(index / 5) % PARTIES.length] ?? 'daemon'
  const victim = fleet.process(party)
  await sleep(Math.random() * 200)
  victim.kill('SIGKILL')
  await victim.exited
  fleet.startParty(party)
}

/** Work goes on: the load has committed that many transactions more. */
async function untilMoved(count: number): Promise<void> {
  const goal = moved + count
  while (moved < goal) {
    const processor = fleet.process('processor')
    if (!processor.running) throw new Error(`the load ended: ${processor.lastWords}`)
    const fallen = fleet.fallen()
    if (fallen !== undefined) throw new Error(`${fallen.name} fell: ${fallen.lastWords}`)
    await sleep(10)
  }
}

/** The load ends what it has begun; then nothing may be in doubt. */
async function quiesce(): Promise<void> {
  const processor = fleet.process('processor')
  processor.send({ type: 'stop' })
  const exit = await processor.exited
  expect(exit, processor.lastWords).toEqual({ code: 0, signal: null })
  const deadlineMs = performance.now() + SETTLES_WITHIN_MS
  let inDoubt = await fleet.inDoubt()
  while (inDoubt !== 0 && performance.now() < deadlineMs) {
    await sleep(50)
    inDoubt = await fleet.inDoubt()
  }
  expect(inDoubt).toBe(0)
}

async function standsByItsAnswers(which: 'new' | 'all'): Promise<void> {
  const record = new ClientRecord(journal)
  await using coordinator = connect({ address: fleet.address })
  expect(await record.contradictions(coordinator, which === 'all' ? 0 : checked)).toEqual([])
  checked = record.told.length
}
