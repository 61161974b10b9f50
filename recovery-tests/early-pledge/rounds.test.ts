/**
 * Transactions on an application's own connections to PostgreSQL and MariaDB, with everything killed: the application, the
 * daemon, the postmaster, mariadbd, each in every round; and the application stopped for longer than its session lives, and let
 * go on. Round after round on the same log and databases. After each: each worker's rows are as many as its offset says, nothing is
 * prepared in either server 30 s later, what any application was told is so, and no pledge was broken.
 *
 * 5 rounds, with the stop in the last; 50 with PLEDGED_FULL=1, with the stop in each.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest'
import { present } from '../../src/base/assert.ts'
import { connect } from '../../src/sdk/client/index.ts'
import { pledged } from '../harness/pledged.ts'
import { disagreements, heldBranches } from '../real-databases/disagreements.ts'
import { DatabaseFleet } from '../real-databases/fleet.ts'
import { stopApplications, untilMoved } from '../real-databases/progress.ts'
import { PARTICIPANTS, seedOf } from '../real-databases/work.ts'
import { APPLICATIONS, faultsOf, strike, VICTIMS, WORKERS_EACH } from './faults.ts'
import { ConsumerRecord, readRows } from './record.ts'

const IS_FULL = process.env['PLEDGED_FULL'] === '1'
const ROUNDS = IS_FULL ? 50 : 5
const WORKERS = APPLICATIONS * WORKERS_EACH
const HEALS_WITHIN_MS = 30_000

const directory = mkdtempSync(join(tmpdir(), 'pledged-early-'))
const struck = new Map<string, number>()
let fleet: DatabaseFleet
let moved = 0
let fallenRound: number | undefined

beforeAll(async () => {
  fleet = await DatabaseFleet.create({
    directory,
    application: join(import.meta.dirname, 'consumer.ts'),
    onMessage: () => {
      moved += 1
    },
  })
  for (const name of PARTICIPANTS) await fleet.databases[name].query(seedOf(WORKERS))
  await fleet.start('inside')
}, 120_000)

afterAll(async () => {
  await fleet.end()
  rmSync(directory, { recursive: true, force: true })
}, 120_000)

describe('branches on the application’s own connections', () => {
  it.each(Array.from({ length: ROUNDS }, (_, index) => index))('round %i', async (round) => {
    expect(fallenRound, 'an earlier round failed; what it left says nothing').toBeUndefined()
    onTestFailed(() => {
      fallenRound ??= round
    })
    for (let index = 0; index < APPLICATIONS; index += 1) fleet.startApplication(index, WORKERS_EACH)
    await untilMoved(fleet, () => moved, WORKERS)
    const isStopping = IS_FULL || round === ROUNDS - 1
    const victims = VICTIMS.filter((victim) => isStopping || victim !== 'stopped application')
    for (const fault of faultsOf(round, victims)) {
      await strike(fleet, fault, round)
      const name = `${fault.victim} ${fault.point === undefined ? 'at random' : 'aimed'}`
      struck.set(name, (struck.get(name) ?? 0) + 1)
      await untilMoved(fleet, () => moved, WORKERS)
    }
    await stopApplications(fleet, APPLICATIONS)
    await expectWhole()
  })

  it('the log stands by every answer of the whole run', async () => {
    const record = recordOfAll()
    await using coordinator = connect({ address: fleet.address })
    expect(await record.answersTakenBack(coordinator)).toEqual([])
    await fleet.stop()
    const faults = [...struck].map(([name, count]) => `${name} ${count}`).join(', ')
    process.stdout.write(`${ROUNDS} rounds: ${faults}; told: ${JSON.stringify(record.counts)}\n`)
  })

  it('would see a row too many, and one of a transaction that was told to have aborted', async () => {
    const { stock } = fleet.databases
    await stock.query("INSERT INTO events (worker, event, xid) VALUES (1, 0, 'no-xid')")
    expect(await disagreements(fleet.databases, WORKERS)).toHaveLength(1)
    const rows = new Map(await readRows(fleet.databases))
    const record = recordOfAll()
    const committed = present(
      [...rows.keys()].find((xid) => record.claims.get(xid) === 'committed'),
      'some has',
    )
    rows.delete(committed)
    const aborted = present(
      [...record.claims].find(([, outcome]) => outcome === 'not committed')?.[0],
      'some has',
    )
    rows.set(aborted, 1)
    expect(record.brokenPromises(rows)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(`^${committed} has 0 rows, and `),
        expect.stringMatching(`^${aborted} has 1 rows, and `),
      ]),
    )
  })
})

async function expectWhole(): Promise<void> {
  await expect.poll(() => heldBranches(fleet.databases), { timeout: HEALS_WITHIN_MS }).toEqual([])
  expect(await disagreements(fleet.databases, WORKERS)).toEqual([])
  expect(recordOfAll().brokenPromises(await readRows(fleet.databases))).toEqual([])
  const check = async (): Promise<string> =>
    (await pledged(['check', '--address', fleet.address])).stdout.split(' |')[0] ?? ''
  await expect.poll(check, { timeout: HEALS_WITHIN_MS }).toMatch(/^OK 0 in doubt/)
  expect((await fleet.status())?.heuristics).toBe(0)
}

function recordOfAll(): ConsumerRecord {
  return new ConsumerRecord(Array.from({ length: APPLICATIONS }, (_, index) => fleet.journalOf(index)))
}
