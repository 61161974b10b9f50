/**
 * Data directories of every format that was ever released, as a kill left them, opened by today's program: what was
 * decided is delivered, what was not is aborted, a request is answered as it was, a broken pledge is still reported.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { openParticipant } from '../../participants/registry.ts'
import { MIGRATIONS } from '../../src/log/sqlite/migrations.ts'
import { type Coordinator, connect } from '../../src/sdk/client/index.ts'
import { CLI_FILE } from '../harness/pledged.ts'
import type { Case, Operated, Written } from './fixture.ts'
import { FIXTURES, fixtureNames, formatsOf, one, readWritten } from './fixture.ts'
import { type FixtureFleet, fixtureFleet, SERVED } from './fixture-fleet.ts'
import { GROUP, move } from './work.ts'

const FINISHED_WITHIN_MS = 60_000
const root = mkdtempSync(join(tmpdir(), 'pledged-restarting-'))
const fleets: FixtureFleet[] = []
afterEach(() => {
  for (const fleet of fleets.splice(0)) fleet.killAll()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** A copy: the files of a fixture never change. */
function copyOf(name: string, use: string): string {
  const directory = join(root, `${name}-${use}`)
  cpSync(join(FIXTURES, name), directory, { recursive: true })
  return directory
}

describe.each(fixtureNames())('the fixture %s', (name) => {
  it('is what it says: written in its formats, with work in doubt', () => {
    const directory = copyOf(name, 'looked-at')
    expect(formatsOf(directory)).toEqual(readWritten(directory).formats)
    expect(heldIn(directory)).toEqual({ sink: 1, archive: 1, offsets: 2 })
  })

  it.each(['the daemon first', 'the participants first'])('is finished: %s', async (order) => {
    const directory = copyOf(name, order.replaceAll(' ', '-'))
    const { transactions, operated } = readWritten(directory)
    const fleet = fixtureFleet({ directory, cliFile: CLI_FILE })
    fleets.push(fleet)
    const daemonFirst = order === 'the daemon first'
    for (const party of daemonFirst ? (['daemon', ...SERVED] as const) : ([...SERVED, 'daemon'] as const)) {
      fleet.start(party)
    }
    await fleet.untilUp(SERVED)
    await untilNothingHeld(directory)

    await using coordinator = connect({ address: fleet.address })
    expect(await outcomesOf(coordinator, transactions)).toEqual({
      committed: 'committed',
      refused: 'aborted',
      heuristic: 'committed',
      undecided: 'aborted',
      undelivered: 'committed',
    })
    await expectRepeatable(coordinator, transactions)
    await expectHeuristic(fleet, transactions.heuristic.xid)
    if (operated !== undefined) await expectOperated(fleet, operated)
    await expectGoesOn(coordinator)
    await fleet.stop()
    expectRows(directory, operated)
    const verified = await fleet.run('log', 'verify', fleet.logDirectory)
    expect(verified, verified.said).toMatchObject({ code: 0 })
    expect(formatsOf(directory)).toEqual(await presentFormats())
  })
})

describe('every format has a fixture', () => {
  const formats = fixtureNames().map((name) => readWritten(join(FIXTURES, name)).formats)
  const advice = 'write one before the next change: node recovery-tests/restarting/write-fixture.ts'

  it('of the log', () => {
    const missing = MIGRATIONS.map((_, index) => index + 1).filter(
      (format) => !formats.some(({ log }) => log === format),
    )
    expect(missing, advice).toEqual([])
  })

  it("of the participants' own tables", async () => {
    const { pledges } = await presentFormats()
    const missing = Array.from({ length: Number(pledges) }, (_, index) => String(index + 1)).filter(
      (format) => !formats.some((written) => written.pledges === format),
    )
    expect(missing, advice).toEqual([])
  })
})

type Transactions = Written['transactions']

/** What a fresh installation writes. */
async function presentFormats(): Promise<{ log: number; pledges: string }> {
  const file = join(mkdtempSync(join(root, 'fresh-')), 'offsets.db')
  const participant = openParticipant('offsets', { kind: 'offsets', file })
  await participant.describe()
  await participant.close()
  const pledges = String(one(file, "SELECT value FROM pledged_meta WHERE key = 'format'"))
  return { log: MIGRATIONS.length, pledges }
}

function heldIn(directory: string): Record<string, number> {
  return Object.fromEntries(
    SERVED.map((name) => [
      name,
      Number(one(join(directory, `${name}.db`), 'SELECT count(*) FROM pledged_in_doubt')),
    ]),
  )
}

async function untilNothingHeld(directory: string): Promise<void> {
  const deadlineMs = performance.now() + FINISHED_WITHIN_MS
  const none = JSON.stringify({ sink: 0, archive: 0, offsets: 0 })
  while (JSON.stringify(heldIn(directory)) !== none && performance.now() < deadlineMs) await sleep(20)
  expect(heldIn(directory)).toEqual(JSON.parse(none))
}

async function outcomesOf(
  coordinator: Coordinator,
  transactions: Transactions,
): Promise<Record<string, string>> {
  const outcomes: Record<string, string> = {}
  for (const [what, { xid }] of Object.entries(transactions)) {
    outcomes[what] = (await coordinator.get({ xid })).outcome
  }
  return outcomes
}

/** The answered one, and the one whose answer died with its daemon: both are answered by name, and not run again. */
async function expectRepeatable(coordinator: Coordinator, transactions: Transactions): Promise<void> {
  for (const what of ['committed', 'undelivered', 'heuristic'] satisfies Case[]) {
    const { branches, requestId, xid } = transactions[what]
    const answer = await coordinator.execute(branches, { requestId })
    expect(answer).toMatchObject({
      outcome: 'committed',
      xid,
      replayed: true,
      heuristic: what === 'heuristic',
    })
  }
}

async function expectHeuristic(fleet: FixtureFleet, xid: string): Promise<void> {
  expect(await fleet.ask('status')).toMatchObject({ heuristics: 1, in_doubt: 0 })
  const shown = await fleet.ask('tx', 'show', xid)
  expect(JSON.stringify(shown)).toContain('heuristic_aborted')
  const checked = await fleet.run('check', '--address', fleet.address)
  expect(checked, checked.said).toMatchObject({ code: 2 })
}

/** What people did is known for ever, and stands. */
async function expectOperated(fleet: FixtureFleet, operated: Operated): Promise<void> {
  const { events } = await fleet.ask('audit')
  const actions = (events as { readonly action: string; readonly xid?: string }[]).map(({ action }) => action)
  expect(actions).toEqual(['PauseParticipant', 'ForgetBranch', 'AcknowledgeTransaction'])
  const { participants } = await fleet.ask('participant', 'list')
  const paused = (participants as { readonly name: string; readonly state: string }[]).filter(
    ({ state }) => state === 'paused',
  )
  expect(paused.map(({ name }) => name)).toEqual([operated.paused])
  expect(JSON.stringify(await fleet.ask('tx', 'show', operated.forgotten.xid))).toContain('forgotten')
  const acknowledged = JSON.stringify(await fleet.ask('tx', 'show', operated.acknowledged.xid))
  expect(acknowledged).toContain('heuristic_aborted')
  expect(acknowledged).toContain('for the fixture')
}

/** The keys of the aborted branches are free, and the offsets go on from where they were left. */
async function expectGoesOn(coordinator: Coordinator): Promise<void> {
  const moves = [
    move('archive', { id: 3, partition: 1, from: 0, to: 1 }),
    move('sink', { id: 5, partition: 0, from: 2, to: 3 }),
  ]
  for (const branches of moves) {
    const answer = await coordinator.execute(branches, { waitFor: 'completion', retries: 20 })
    expect(answer).toMatchObject({ outcome: 'committed', complete: true })
  }
}

function expectRows(directory: string, operated: Operated | undefined): void {
  const rows = (name: 'sink' | 'archive') =>
    one(
      join(directory, `${name}.db`),
      "SELECT group_concat(id, ' ') FROM (SELECT id FROM events ORDER BY id)",
    )
  const also = operated === undefined ? { sink: '', offsets: '' } : { sink: ' 6 7', offsets: ' 4:1' }
  expect({ sink: rows('sink'), archive: rows('archive') }).toEqual({
    sink: `1 2 4 5${also.sink}`,
    archive: '3',
  })
  const positions = `SELECT group_concat(partition || ':' || position, ' ')
    FROM (SELECT * FROM offsets WHERE group_name = ? ORDER BY partition)`
  // Those of the broken pledges, 2 and 3, never moved.
  expect(one(join(directory, 'offsets.db'), positions, GROUP)).toBe(`0:3 1:1${also.offsets}`)
}
