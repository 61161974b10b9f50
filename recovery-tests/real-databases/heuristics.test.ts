/**
 * A person ends a prepared branch by hand, in psql or mariadb. Against the decision: the daemon finds out at the
 * delivery, says so with its evidence, and the other branches end as decided. With the decision: no alarm.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Branches, connect } from '../../src/sdk/client/index.ts'
import { pledged } from '../harness/pledged.ts'
import { only } from '../harness/test-database.ts'
import { DatabaseFleet } from './fleet.ts'
import { moveFrom, PARTICIPANTS, type ParticipantName, seedOf } from './work.ts'

const directory = mkdtempSync(join(tmpdir(), 'pledged-heuristics-'))
const sinkFile = join(directory, 'sink.db')
const WITHIN = { timeout: 30_000 }

/** Worker 0 has its sink in PostgreSQL, worker 1 in MariaDB. */
const SUBJECTS = [
  { name: 'ledger', other: 'stock', worker: 0, commit: 'COMMIT PREPARED', abort: 'ROLLBACK PREPARED' },
  { name: 'stock', other: 'ledger', worker: 1, commit: 'XA COMMIT', abort: 'XA ROLLBACK' },
] as const satisfies readonly {
  readonly name: ParticipantName
  readonly other: ParticipantName
  readonly worker: number
  readonly commit: string
  readonly abort: string
}[]

let fleet: DatabaseFleet

beforeAll(async () => {
  const sink = new DatabaseSync(sinkFile)
  sink.exec('CREATE TABLE events (id INTEGER PRIMARY KEY, event INTEGER NOT NULL)')
  sink.close()
  fleet = await DatabaseFleet.create({
    directory,
    participants: [`  - { name: sink, kind: sqlite, file: ${JSON.stringify(sinkFile)} }`],
  })
}, 120_000)

beforeEach(async () => {
  for (const name of PARTICIPANTS) {
    await fleet.databases[name].query('DELETE FROM events')
    await fleet.databases[name].query('DELETE FROM positions')
    await fleet.databases[name].query(seedOf(2))
  }
  await fleet.start('inside')
}, 120_000)

/** A heuristic is never forgotten: the next test has another log. */
afterEach(async () => {
  await fleet.kill('daemon')
  for (const name of PARTICIPANTS) {
    fleet.databases[name].proxy.permit()
    await fleet.databases[name].rollBackAllByHand()
  }
  fleet.replaceLog()
}, 120_000)

afterAll(async () => {
  await fleet.end()
  rmSync(directory, { recursive: true, force: true })
}, 120_000)

describe.each(SUBJECTS)('a branch in $name, ended by hand', ({ name, other, worker, commit, abort }) => {
  it('rolled back where commit was decided: a heuristic, told with its evidence', async () => {
    const { proxy } = fleet.databases[name]
    proxy.deny(commit)
    const { xid } = await execute(threeBranches(worker), 'committed')
    await fleet.databases[name].endByHand(xid, 'rollback')
    proxy.permit()
    await untilHeuristic(xid)
    expect(await branchesOf(xid)).toEqual({
      [name]: 'heuristic_aborted no_witness',
      [other]: 'committed none',
      sink: 'committed none',
    })
    expect(await rowsOf(name)).toBe(0)
    expect(await positionOf(other, worker)).toBe(1)
    expect(await toldToPeople(xid)).toMatch(/heuristic/i)
  })

  it('rolled back while the daemon was dead, between decision and delivery: the same', async () => {
    await fleet.process('daemon').arm('coordinator.delivery.before-send', { after: 1 })
    await using coordinator = connect({ address: fleet.address })
    const asked = coordinator.execute(threeBranches(worker), { timeoutMs: 60_000 })
    await fleet.process('daemon').exited
    const prepared = await fleet.databases[name].prepared()
    expect(prepared).toHaveLength(1)
    const xid = String(prepared[0]?.split('/')[1])
    await fleet.databases[name].endByHand(xid, 'rollback')
    fleet.startDaemon()
    expect((await asked).outcome).toBe('committed')
    await untilHeuristic(xid)
    expect((await branchesOf(xid))[name]).toBe('heuristic_aborted no_witness')
    expect(await positionOf(other, worker)).toBe(1)
  })

  it('committed where abort was decided: a heuristic, told with its evidence', async () => {
    const { proxy } = fleet.databases[name]
    proxy.deny(abort)
    // The other one votes no, after this one has pledged: its row is locked, and then moved away.
    const release = await fleet.databases[other].hold(
      `UPDATE positions SET position = 7 WHERE worker = ${worker}`,
    )
    const asked = execute(threeBranches(worker), 'aborted')
    await expect.poll(() => fleet.databases[name].prepared(), WITHIN).toHaveLength(1)
    await release()
    const { xid } = await asked
    await fleet.databases[name].endByHand(xid, 'commit')
    proxy.permit()
    await untilHeuristic(xid)
    const branches = await branchesOf(xid)
    expect(branches[name]).toBe('heuristic_committed witness_committed')
    expect(branches['sink']).toMatch(/^aborted /)
    expect(await rowsOf(name)).toBe(1)
    expect(countSink()).toBe(sinkRows)
    expect(await toldToPeople(xid)).toMatch(/heuristic/i)
  })

  it('committed where commit was decided: no alarm', async () => {
    const { proxy } = fleet.databases[name]
    proxy.deny(commit)
    const { xid } = await execute(threeBranches(worker), 'committed')
    await fleet.databases[name].endByHand(xid, 'commit')
    proxy.permit()
    await expect.poll(async () => (await fleet.ask('tx', 'show', xid))['state'], WITHIN).toBe('committed')
    expect((await fleet.ask('tx', 'show', xid))['heuristic']).toBe(false)
    const { code } = await pledged(['check', '--address', fleet.address])
    expect(code).toBe(0)
    expect(await rowsOf(name)).toBe(1)
  })
})

/** The third is there to end as decided, whatever happened to the other two. */
function threeBranches(worker: number): Branches {
  return [
    ...moveFrom(worker, 0),
    {
      participant: 'sink',
      work: { statements: [{ sql: 'INSERT INTO events (event) VALUES (1)', expect_rows: 1 }] },
    },
  ]
}

async function execute(branches: Branches, outcome: 'committed' | 'aborted'): Promise<{ xid: string }> {
  await using coordinator = connect({ address: fleet.address })
  sinkRows = countSink()
  const executed = await coordinator.execute(branches)
  expect(executed.outcome).toBe(outcome)
  return executed
}

let sinkRows = 0

function countSink(): number {
  const sink = new DatabaseSync(sinkFile, { readOnly: true, timeout: 10_000 })
  try {
    return Number(sink.prepare('SELECT count(*) AS n FROM events').get()?.['n'])
  } finally {
    sink.close()
  }
}

async function untilHeuristic(xid: string): Promise<void> {
  await expect.poll(async () => (await fleet.ask('tx', 'show', xid))['heuristic'], WITHIN).toBe(true)
  const { code } = await pledged(['check', '--address', fleet.address])
  expect(code, 'check is critical').toBe(2)
}

/** Each branch's state and evidence, once the others have ended. */
async function branchesOf(xid: string): Promise<Record<string, string>> {
  const read = async (): Promise<Record<string, string>> => {
    const { branches } = await fleet.ask('tx', 'show', xid)
    const list = branches as { participant: string; state: string; evidence: string }[]
    return Object.fromEntries(list.map((one) => [one.participant, `${one.state} ${one.evidence}`]))
  }
  await expect
    .poll(async () => Object.values(await read()).join(), WITHIN)
    .not.toMatch(/(?:committing|aborting)/)
  return read()
}

async function toldToPeople(xid: string): Promise<string> {
  return (await pledged(['tx', 'show', xid, '--address', fleet.address])).stdout
}

async function rowsOf(name: ParticipantName): Promise<number> {
  return Number(only(await fleet.databases[name].query('SELECT count(*) AS n FROM events'))['n'])
}

async function positionOf(name: ParticipantName, worker: number): Promise<number> {
  const rows = await fleet.databases[name].query(
    `SELECT position AS p FROM positions WHERE worker = ${worker}`,
  )
  return Number(only(rows)['p'])
}
