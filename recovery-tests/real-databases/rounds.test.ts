/**
 * PostgreSQL and MariaDB under load, with everything killed and every connection cut, round after round on the same log and
 * databases; the participants by turns in the daemon, as processes that attach, and as processes that listen. After each round, in
 * which what fell was started again: each worker's rows are as many as its position says, no prepared branch is left
 * in either server 30 s later, and the coordinator stands by every answer that any application was given.
 *
 * 3 rounds; 50 with PLEDGED_FULL=1.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest'
import { present } from '../../src/base/assert.ts'
import { connect } from '../../src/sdk/client/index.ts'
import { ClientRecord } from '../harness/client-record.ts'
import { disagreements, heldBranches } from './disagreements.ts'
import { APPLICATIONS, type Fault, faultsOf, strike, WORKERS_EACH } from './faults.ts'
import { DatabaseFleet, LAYOUTS } from './fleet.ts'
import { stopApplications, untilMoved } from './progress.ts'
import { PARTICIPANTS, seedOf } from './work.ts'

const ROUNDS = process.env['PLEDGED_FULL'] === '1' ? 50 : 3
const WORKERS = APPLICATIONS * WORKERS_EACH
const HEALS_WITHIN_MS = 30_000

const directory = mkdtempSync(join(tmpdir(), 'pledged-databases-'))
let moved = 0
let fleet: DatabaseFleet
let fallenRound: number | undefined
const struck = new Map<Fault['type'], number>()
const checked = Array.from({ length: APPLICATIONS }, () => 0)

beforeAll(async () => {
  fleet = await DatabaseFleet.create({
    directory,
    onMessage: () => {
      moved += 1
    },
  })
  for (const name of PARTICIPANTS) await fleet.databases[name].query(seedOf(WORKERS))
}, 120_000)

afterAll(async () => {
  await fleet.end()
  rmSync(directory, { recursive: true, force: true })
}, 120_000)

describe('real databases', () => {
  it.each(Array.from({ length: ROUNDS }, (_, index) => index))('round %i', async (round) => {
    expect(fallenRound, 'an earlier round failed; what it left says nothing').toBeUndefined()
    onTestFailed(() => {
      fallenRound ??= round
    })
    const layout = present(LAYOUTS[round % LAYOUTS.length], 'there are layouts')
    await fleet.start(layout)
    for (let index = 0; index < APPLICATIONS; index += 1) fleet.startApplication(index, WORKERS_EACH)
    await untilMoved(fleet, () => moved, WORKERS)
    for (const fault of faultsOf(round, layout)) {
      await strike(fleet, fault)
      struck.set(fault.type, (struck.get(fault.type) ?? 0) + 1)
      await untilMoved(fleet, () => moved, 4)
    }
    await stopApplications(fleet, APPLICATIONS)
    await expect.poll(() => heldBranches(fleet.databases), { timeout: HEALS_WITHIN_MS }).toEqual([])
    expect(await disagreements(fleet.databases, WORKERS)).toEqual([])
    await expect.poll(async () => (await fleet.status())?.inDoubt, { timeout: HEALS_WITHIN_MS }).toBe(0)
    expect((await fleet.status())?.heuristics).toBe(0)
    expect(await answersTakenBack('new')).toEqual([])
    await fleet.stop()
  })

  it('stands by every answer of the whole run', async () => {
    await fleet.start('inside')
    expect(await answersTakenBack('all')).toEqual([])
    await fleet.stop()
    const faults = [...struck].map(([type, count]) => `${type} ${count}`).join(', ')
    const answers = checked.reduce((sum, count) => sum + count, 0)
    process.stdout.write(`${ROUNDS} rounds: ${faults}; moved ${moved}; answers checked: ${answers}\n`)
  })

  it('would see a row too many, and a branch that is left', async () => {
    const { ledger, stock } = fleet.databases
    await stock.query(
      'INSERT INTO events (worker, event) SELECT worker, event FROM events WHERE worker = 1 LIMIT 1',
    )
    expect(await disagreements(fleet.databases, WORKERS)).toHaveLength(1)
    await ledger.query("BEGIN; SELECT 1; PREPARE TRANSACTION 'pledged/k3f9qa7m2xw4.7-q3f9.1/ledger'")
    const [gtrid, bqual] = ["'pledged/k3f9qa7m2xw4.7-q3f9.2'", "'stock'"]
    await stock.query(`XA START ${gtrid},${bqual}; XA END ${gtrid},${bqual}; XA PREPARE ${gtrid},${bqual}`)
    expect(await heldBranches(fleet.databases)).toHaveLength(2)
  })
})

async function answersTakenBack(which: 'new' | 'all'): Promise<string[]> {
  await using coordinator = connect({ address: fleet.address })
  const found: string[] = []
  for (let index = 0; index < APPLICATIONS; index += 1) {
    const record = new ClientRecord(fleet.journalOf(index))
    const from = which === 'all' ? 0 : (checked[index] ?? 0)
    found.push(...(await record.contradictions(coordinator, from)))
    checked[index] = record.told.length
  }
  return found
}
