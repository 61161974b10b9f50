/**
 * `log backup` and `log restore`, end to end: a daemon dies with one transaction decided and not delivered, and another
 * one prepared and not decided. Its log is backed up, lost, and restored. The daemon on the restored log delivers the
 * first; the second is of a log that may have gone on, for all that anybody knows: reported, and left alone.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, it, onTestFinished } from 'vitest'
import { type Branches, connect, PledgedError } from '../../src/sdk/client/index.ts'
import { AttachedFleet } from '../harness/attached-fleet.ts'
import { CLI_FILE } from '../harness/pledged.ts'

const directory = mkdtempSync(join(tmpdir(), 'pledged-backup-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const WITHIN = { timeout: 30_000, interval: 50 }
const DECIDED = { requestId: 'decided', attempt: 1, firstSentTime: new Date() }
const UNDECIDED = { requestId: 'undecided', attempt: 1, firstSentTime: new Date() }

function advance(participant: string, partition: number, from: number): Branches[number] {
  const work = { group: 'g', owner_epoch: 1, advance: [{ topic: 't', partition, from, to: from + 1 }] }
  return { participant, work }
}

function insert(id: number): Branches[number] {
  const statements = [{ sql: 'INSERT INTO events VALUES (?)', params: [id] }]
  return { participant: 'sink', work: { statements } }
}

function query(file: string, sql: string): readonly Record<string, unknown>[] {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    return database.prepare(sql).all()
  } finally {
    database.close()
  }
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt
    return 'none'
  } catch (error) {
    return PledgedError.from(error).code
  }
}

it('the restored log delivers what it inherits, and presumes nothing', async () => {
  const served = { sink: 'sqlite', offsets: 'offsets', slow: 'offsets' } as const
  const fleet = new AttachedFleet({ directory, cliFile: CLI_FILE, served })
  onTestFinished(() => fleet.killAll())
  const database = new DatabaseSync(fleet.fileOf('sink'))
  database.exec('CREATE TABLE events (id INTEGER PRIMARY KEY)')
  database.close()
  for (const one of ['daemon', ...fleet.served] as const) fleet.start(one)
  await fleet.untilUp(fleet.served)
  await using coordinator = connect({ address: fleet.address, timeoutMs: 20_000 })
  const { xid: ended } = await coordinator.execute([insert(1), advance('offsets', 0, 0)], {
    waitFor: 'completion',
  })

  // "offsets" has pledged, and the vote of "slow" never comes.
  fleet.process('slow').kill('SIGSTOP')
  const undecidedBranches: Branches = [advance('offsets', 1, 0), advance('slow', 1, 0)]
  const undecided = codeOf(coordinator.execute(undecidedBranches, { ...UNDECIDED, timeoutMs: 2_000 }))
  const held = (): readonly unknown[] => query(fleet.fileOf('offsets'), 'SELECT xid FROM pledged_in_doubt')
  await expect.poll(held, WITHIN).toHaveLength(1)
  const [{ xid: undecidedXid } = { xid: '' }] = held() as { xid: string }[]
  await fleet.process('daemon').arm('coordinator.delivery.before-send', { after: 1 })
  const decided = codeOf(coordinator.execute([insert(2)], { ...DECIDED, timeoutMs: 2_000 }))
  await fleet.process('daemon').exited
  await Promise.all([undecided, decided])

  const file = join(directory, 'log.backup')
  const backup = await fleet.run('log', 'backup', fleet.logDirectory, file, '--json')
  expect({ code: backup.code, said: backup.said }).toMatchObject({ code: 0 })
  const made = JSON.parse(backup.output) as { log_id: string; unended: { xid: string }[] }
  expect(made.unended).toEqual([expect.objectContaining({ participants: ['sink'] })])
  const decidedXid = made.unended[0]?.xid ?? ''
  expect(await fleet.run('log', 'backup', fleet.logDirectory, file)).toMatchObject({ code: 64 })
  expect(await fleet.run('log', 'restore', file, fleet.logDirectory)).toMatchObject({ code: 64 })
  rmSync(fleet.logDirectory, { recursive: true })
  const restore = await fleet.run('log', 'restore', file, fleet.logDirectory)
  expect(restore.code).toBe(0)
  expect(restore.output).toMatch(
    new RegExp(`^inherited\\n {2}1 commit not acknowledged by all.*\\n {4}${decidedXid} {2}sink$`, 'm'),
  )
  expect(restore.output).toMatch(new RegExp(`^not presumed\\n {2}any other xid of log ${made.log_id}: `, 'm'))

  fleet.process('slow').kill('SIGCONT')
  fleet.start('daemon')
  await fleet.untilUp(fleet.served)
  const status = await fleet.ask('status')
  expect(status['log_id']).not.toBe(made.log_id)
  await expect
    .poll(() => query(fleet.fileOf('sink'), 'SELECT id FROM events ORDER BY id'), WITHIN)
    .toEqual([{ id: 1 }, { id: 2 }])

  // By xid and by request: what has a record is answered; the rest is unknown, and not run again.
  expect(await coordinator.get({ xid: ended })).toMatchObject({ outcome: 'committed' })
  expect(await coordinator.get({ xid: decidedXid })).toMatchObject({ outcome: 'committed' })
  expect(await coordinator.execute([insert(2)], DECIDED)).toMatchObject({ xid: decidedXid, replayed: true })
  expect(await coordinator.get({ xid: undecidedXid })).toMatchObject({ outcome: 'unknown' })
  expect(await codeOf(coordinator.execute(undecidedBranches, UNDECIDED))).toBe('REQUEST_TOO_OLD')
  // The branch is held still, and shown as another log's; what it doesn't lock goes on.
  const { branches } = (await fleet.ask('diff')) as { branches: { xid: string; match: string }[] }
  const foreign = branches.filter(({ xid }) => xid === undecidedXid).map(({ match }) => match)
  expect(foreign.length).toBeGreaterThan(0)
  expect(new Set(foreign)).toEqual(new Set(['foreign_living']))
  expect(await coordinator.execute([insert(3), advance('offsets', 0, 1)])).toMatchObject({
    outcome: 'committed',
  })
  await expect.poll(held, WITHIN).toEqual([{ xid: undecidedXid }])
  expect(existsSync(file) && readdirSync(fleet.logDirectory).includes('pledged.db')).toBe(true)
  expect(await fleet.run('log', 'backup', fleet.logDirectory, `${file}.2`)).toMatchObject({ code: 74 })
  await fleet.stop()
})
