/**
 * Operators and a transaction that has no decision yet: the sink has pledged, the other participant is there and has
 * not voted, and the client waits. A real daemon, real files, the built program.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Coordinator, connect } from '../../src/sdk/client/index.ts'
import { attachParticipant } from '../../src/sdk/participant/index.ts'
import { DaemonUnderTest, type Ended, pledged } from '../harness/pledged.ts'
import { LateVoter } from './late-voter.ts'

const WITHIN = { timeout: 60_000, interval: 200 }
const root = mkdtempSync(join(tmpdir(), 'pledged-undecided-'))
const sinkFile = join(root, 'sink.db')
const late = new LateVoter()

let daemon: DaemonUnderTest
let attachment: ReturnType<typeof attachParticipant>
let coordinator: Coordinator
/** Of the transaction that waits. */
let xid: string
let firstEpoch: string
let asked: Promise<{ readonly outcome: string; readonly message?: string | undefined }>

beforeAll(async () => {
  const sink = new DatabaseSync(sinkFile)
  sink.exec('CREATE TABLE t (id INTEGER PRIMARY KEY)')
  sink.close()
  daemon = new DaemonUnderTest(root)
  writeFileSync(
    daemon.configFile,
    [
      `listen: ${JSON.stringify(daemon.address)}`,
      'http_listen: 127.0.0.1:0',
      `data_dir: ${JSON.stringify(daemon.dataDir)}`,
      'timeouts: { prepare: 10m }',
      'participants:',
      `  - { name: sink, kind: sqlite, file: ${JSON.stringify(sinkFile)} }`,
      '',
    ].join('\n'),
  )
  attachment = attachParticipant({ name: 'late', participant: late, address: daemon.address })
  await daemon.start()
  firstEpoch = String((await ask('status'))['epoch'])
  await daemon.end('SIGKILL')
  await daemon.start()
  coordinator = connect({ address: daemon.address, timeoutMs: 600_000 })
}, 120_000)

afterAll(async () => {
  late.vote()
  await attachment.close()
  await coordinator.close()
  await daemon.end('SIGKILL')
  rmSync(root, { recursive: true, force: true })
}, 60_000)

/** A transaction whose sink has pledged, and whose other branch hasn't voted. */
beforeEach(async () => {
  asked = coordinator.execute([
    { participant: 'sink', work: { statements: [{ sql: 'INSERT INTO t DEFAULT VALUES' }] } },
    { participant: 'late', work: {} },
  ])
  await expect.poll(() => held(), WITHIN).toHaveLength(1)
  xid = held()[0] ?? ''
  // The daemon has its vote when its page shows it.
  await expect.poll(async () => (await run('tx', 'show', xid)).stdout, WITHIN).toMatch(/^ {2}sink {2}yes /m)
}, 120_000)

afterEach(async () => {
  late.vote()
  await asked
  await expect.poll(async () => (await ask('status'))['in_doubt'], WITHIN).toBe(0)
}, 120_000)

function run(...args: readonly string[]): Promise<Ended> {
  return pledged([...args, '--address', daemon.address])
}

async function ask(...args: readonly string[]): Promise<Record<string, unknown>> {
  return JSON.parse((await run(...args, '--json')).stdout) as Record<string, unknown>
}

function query(file: string, sql: string): Record<string, unknown>[] {
  const database = new DatabaseSync(file, { timeout: 10_000 })
  try {
    return database.prepare(sql).all()
  } finally {
    database.close()
  }
}

/** What the sink holds prepared, by its own table. */
function held(): string[] {
  return query(sinkFile, 'SELECT xid FROM pledged_in_doubt').map((row) => String(row['xid']))
}

function rowsIn(table: 't'): number {
  return Number(query(sinkFile, `SELECT count(*) AS n FROM ${table}`)[0]?.['n'])
}

/** `sink XID`: how the two sides agree. */
async function compared(...flags: readonly string[]): Promise<Record<string, string>> {
  const { branches } = await ask('diff', ...flags)
  const rows = branches as { participant: string; xid: string; match: string; outcome: string }[]
  return Object.fromEntries(
    rows.map((row) => [`${row.participant} ${row.xid}`, `${row.match} ${row.outcome}`]),
  )
}

function short(): string {
  return xid.replace(/^[^.]+\.(\d+)-[^.]+\./, '$1.')
}

describe('tx resolve', () => {
  it('--abort ends it, at once, and tells its client who did', async () => {
    const rows = rowsIn('t')
    const page = (await run('tx', 'show', short())).stdout
    expect(page).toMatch(/^why {3}the vote of "late" is missing\.$/m)
    expect(page).toContain(`pledged tx resolve ${short()} --abort --reason TEXT`)

    const command = ['tx', 'resolve', short(), '--abort', '--reason', 'stuck'] as const
    const dry = await run(...command, '--dry-run')
    expect(dry.stdout).toMatch(/"sink" voted yes: it is told to abort/)
    expect(dry.stdout).toMatch(/"late" has not voted/)
    expect(await run(...command)).toMatchObject({ code: 64, stdout: '' })
    expect(held()).toEqual([xid])

    const done = await run(...command, '--confirm', short())
    expect(done.code, done.stderr).toBe(0)
    expect(await asked).toMatchObject({ outcome: 'aborted', message: expect.stringContaining('operator') })
    await expect.poll(held, WITHIN).toEqual([])
    late.vote()
    await expect.poll(async () => (await ask('tx', 'show', xid))['state'], WITHIN).toBe('aborted')
    expect(rowsIn('t')).toBe(rows)

    const again = await run(
      'tx',
      'resolve',
      short(),
      '--commit',
      '--reason',
      'after all',
      '--confirm',
      short(),
    )
    expect({ code: again.code, stdout: again.stdout }).toEqual({ code: 1, stdout: '' })
    expect(again.stderr).toMatch(/^refused: /)
    const { events } = await ask('audit', '--xid', xid)
    expect(events).toEqual([
      expect.objectContaining({ action: 'ResolveTransaction', xid, reason: 'stuck', result: 'aborted' }),
    ])
  })

  it('--commit before all have voted is a heuristic, until somebody has looked', async () => {
    const rows = rowsIn('t')
    const command = ['tx', 'resolve', short(), '--commit', '--reason', 'it must go out'] as const
    expect((await run(...command, '--dry-run')).stdout).toMatch(
      /"late" has not voted: .* a heuristic is reported until it is acknowledged/,
    )
    const done = await run(...command, '--confirm', xid)
    expect(done.code, done.stderr).toBe(0)
    expect(await asked).toMatchObject({ outcome: 'committed' })
    await expect.poll(held, WITHIN).toEqual([])
    expect(rowsIn('t')).toBe(rows + 1)
    expect(await run('check')).toMatchObject({ code: 2, stdout: expect.stringContaining('1 broken pledge') })
    expect((await run('tx', 'show', xid)).stdout).toMatch(/^why {3}.*committed it before .* had voted/m)

    late.vote()
    await expect
      .poll(async () => (await run('tx', 'acknowledge', xid, '--reason', 'looked')).code, WITHIN)
      .toBe(0)
    await expect.poll(async () => (await run('check')).stdout, WITHIN).toBe('OK 0 in doubt\n')
  })
})

describe('diff', () => {
  const FOREIGN = 'h0t2m8c4p6vz.3-a1b2.17'

  it('shows what both know', async () => {
    expect(await compared()).toEqual({ [`sink ${xid}`]: 'matched pending' })
  })

  it('shows a pledge that has vanished', async () => {
    query(sinkFile, 'DELETE FROM pledged_in_doubt')
    expect(await compared('--participant', 'sink')).toEqual({ [`sink ${xid}`]: 'missing pending' })
    // It is found out when it is told: by then commit is decided.
    late.vote()
    await expect.poll(async () => (await ask('tx', 'show', xid))['heuristic'], WITHIN).toBe(true)
    expect(await run('tx', 'acknowledge', xid, '--reason', 'a test')).toMatchObject({ code: 0 })
  })

  it('shows branches that the log knows nothing of, of a log that lives, and of one that does not', async () => {
    // Of an epoch before: what was under way when it ended has left no record. The first look at it has it aborted.
    const orphan = xid.replace(/\.2-.*/, `.${firstEpoch}.4711`)
    await expect
      .poll(async () => {
        holdAsWell(orphan)
        return (await compared('--participant', 'sink'))[`sink ${orphan}`]
      }, WITHIN)
      .toBe('orphan aborted')
    await expect.poll(held, WITHIN).toEqual([xid])

    holdAsWell(FOREIGN)
    expect(await compared('--participant', 'sink')).toEqual({
      [`sink ${xid}`]: 'matched pending',
      [`sink ${FOREIGN}`]: 'foreign_dead unknown',
    })
    const [log = ''] = FOREIGN.split('.')
    query(sinkFile, `INSERT INTO pledged_logs VALUES ('${log}', '3-a1b2', ${Date.now()})`)
    expect((await compared('--participant', 'sink'))[`sink ${FOREIGN}`]).toBe('foreign_living unknown')
    expect((await run('tx', 'forget-branch', FOREIGN, ...WITHOUT_ASKING)).stderr).toContain('seen')
    query(sinkFile, `UPDATE pledged_logs SET last_seen_ms = 1 WHERE log_id = '${log}'`)
    // The daemon goes by what its last scan showed.
    await compared('--participant', 'sink')
    expect(await run('tx', 'forget-branch', FOREIGN, ...WITHOUT_ASKING)).toMatchObject({ code: 0 })
    await expect.poll(held, WITHIN).toEqual([xid])
    expect(await run('diff', '--participant', 'nobody')).toMatchObject({ code: 66 })
  })
})

const WITHOUT_ASKING = ['--participant', 'sink', '--reason', 'a test', '--confirm', '3.17'] as const

/** As if it had pledged this, too. */
function holdAsWell(other: string): void {
  query(
    sinkFile,
    `INSERT OR IGNORE INTO pledged_in_doubt SELECT '${other}', prepare_time_ms, work_digest, pledge, basis
     FROM pledged_in_doubt WHERE xid = '${xid}'`,
  )
}
