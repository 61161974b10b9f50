/**
 * kill -9 at every crash point that a transaction on an application's own connections passes: of the process that passes it, while
 * the others go on; and of everybody at that moment, PostgreSQL and MariaDB too. The same log and databases throughout. After
 * each: rows and offset agree, nothing is prepared, the transaction that was under way has met the fate that the
 * documentation gives it, and what the application was told is so.
 *
 * Once each; 5 times with PLEDGED_FULL=1. A point that isn't hit fails.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Coordinator, connect } from '../../src/sdk/client/index.ts'
import { pledged } from '../harness/pledged.ts'
import { FATES } from './aims.ts'
import { casesOf, DYING, EARLY_PLEDGE_POINTS, type EarlyPledgePoint } from './early-pledge-aims.ts'
import { EarlyPledgeTheatre } from './early-pledge-theatre.ts'

const ROUNDS = process.env['PLEDGED_FULL'] === '1' ? 5 : 1

const directory = mkdtempSync(join(tmpdir(), 'pledged-early-points-'))
const survived = new Map<EarlyPledgePoint, number>()
let theatre: EarlyPledgeTheatre
let coordinator: Coordinator
let prepared = 0

beforeAll(async () => {
  theatre = await EarlyPledgeTheatre.open(directory)
  coordinator = connect({ address: theatre.fleet.address })
}, 120_000)

afterAll(async () => {
  await coordinator?.close()
  await theatre?.fleet.end()
  rmSync(directory, { recursive: true, force: true })
}, 120_000)

describe.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))('round %i: kill -9 at', (_round) => {
  const cases = EARLY_PLEDGE_POINTS.flatMap((point) => casesOf(point)).map((one) => ({
    ...one,
    title: `${one.point}, of ${one.dying}`,
  }))
  it.each(cases)('$title', async (one) => {
    await theatre.begin()
    const { xid, held } = await theatre.dieAt(one)
    prepared += held.length
    await theatre.comeBack()
    await theatre.settle()
    expect(held.length).toBeGreaterThanOrEqual(one.holds ? 1 : 0)
    expect(await theatre.disagreements()).toEqual([])
    const { outcome, state } = await coordinator.get({ xid })
    if (one.fate !== undefined) expect(FATES[one.fate], `${xid} is ${state}`).toContain(outcome)
    survived.set(one.point, (survived.get(one.point) ?? 0) + 1)
  })
})

describe('after all of them', () => {
  it('every point was survived, by those who go on and by everybody', () => {
    const missed = EARLY_PLEDGE_POINTS.filter((point) => (survived.get(point) ?? 0) < ROUNDS * DYING.length)
    expect(missed).toEqual([])
  })

  it('every answer of the whole run stands, nothing is in doubt, and the log is whole', async () => {
    const { record, fleet } = theatre
    expect(await record.answersTakenBack(coordinator)).toEqual([])
    const check = await pledged(['check', '--address', fleet.address])
    expect(check.stdout).toMatch(/^OK 0 in doubt/)
    await fleet.stop()
    expect(await theatre.disagreements()).toEqual([])
    const verified = await pledged(['log', 'verify', join(directory, 'log-1')])
    expect(verified, verified.stderr).toMatchObject({ code: 0 })
    process.stdout.write(
      `${ROUNDS * EARLY_PLEDGE_POINTS.length * DYING.length} kills at ${survived.size} points; branches prepared at them: ` +
        `${prepared}; told: ${JSON.stringify(record.counts)}\n`,
    )
  })
})
