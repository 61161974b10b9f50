import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { formatXid, type Xid } from '../base/ids.ts'
import { decision, end, heuristic, onePhase, participant } from '../log/sample-records.ts'
import { SqliteLog } from '../log/sqlite/index.ts'
import type { LogRecord } from '../protocol/records.ts'
import { runCli } from './testing/run-cli.ts'

let directory = ''
let file = ''
let target = ''
beforeEach(() => {
  const root = mkdtempSync(join(tmpdir(), 'pledged-backup-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  directory = join(root, 'data')
  file = join(root, 'log.backup')
  target = join(root, 'restored')
})

interface Written {
  readonly logId: string
  readonly xid: (sequence: number) => Xid
}

/** A log that is closed then. */
async function written(records: (xid: Written['xid']) => readonly LogRecord[]): Promise<Written> {
  const log = new SqliteLog({ directory })
  const { logId, epoch } = await log.open()
  const xid = (sequence: number): Xid => formatXid({ logId, epoch, sequence })
  await new Promise<void>((resolve, reject) => {
    log.append(records(xid), (failure) => (failure === undefined ? resolve() : reject(failure)))
  })
  await log.close()
  return { logId, xid }
}

function withDoubts(): Promise<Written> {
  return written((xid) => [
    participant('sink', 'sink-1'),
    decision(xid(1)),
    decision(xid(2)),
    heuristic(xid(2)),
    end(xid(2)),
    onePhase(xid(3)),
  ])
}

describe('log backup', () => {
  it('says what the backup holds', async () => {
    const { logId, xid } = await withDoubts()
    const { exitCode, stdout } = await runCli(['log', 'backup', directory, file])
    expect(exitCode).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(
      new RegExp(`^log ${logId}, epoch 1: 7 records, 1 participant, in .*log.backup \\(`),
    )
    expect(lines.slice(1)).toEqual([
      '1 commit not acknowledged by all: delivered when a daemon starts',
      `  ${xid(1)}  sink and offsets`,
      '1 broken pledge that nobody has acknowledged',
      `  ${xid(2)}  sink, ended by abort`,
    ])
  })

  it('replaces nothing, and needs a log', async () => {
    await withDoubts()
    expect(await runCli(['log', 'backup', directory, file])).toMatchObject({ exitCode: 0 })
    const again = await runCli(['log', 'backup', directory, file])
    expect(again).toMatchObject({ exitCode: 64, stdout: '' })
    expect(again.stderr).toMatch(/^pledged: .*log.backup is there already, .*name another file\n$/)
    const none = await runCli(['log', 'backup', target, `${file}.2`, '--json'])
    expect(none).toMatchObject({ exitCode: 74, stdout: '' })
    expect(JSON.parse(none.stderr)).toMatchObject({ error: { code: 'LOG_UNREADABLE' } })
    expect(existsSync(`${file}.2`)).toBe(false)
  })

  it('is refused while a daemon has the log', async () => {
    await withDoubts()
    const log = new SqliteLog({ directory })
    await log.open()
    const { exitCode, stderr } = await runCli(['log', 'backup', directory, file])
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 74 })
    expect(stderr).toMatch(/is in use by another process .*: stop that one first/)
    await log.close()
  })
})

describe('log restore', () => {
  it('lists what is inherited, and what must not be presumed', async () => {
    const { logId, xid } = await withDoubts()
    await runCli(['log', 'backup', directory, file])
    const { exitCode, stdout } = await runCli(['log', 'restore', file, target])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(
      new RegExp(`^log [0-9a-z]{12} in ${target}, restored from a backup of log ${logId}, of 2`),
    )
    expect(stdout).toContain(`inherited\n  1 commit not acknowledged by all: delivered`)
    expect(stdout).toContain(`\n    ${xid(1)}  sink and offsets\n`)
    expect(stdout).toContain(`not presumed\n  any other xid of log ${logId}: that log may have decided it`)
    expect(stdout).toContain(
      `1 transaction that only the participant knows the outcome of\n    ${xid(3)}  sink\n`,
    )
    const verified = await runCli(['log', 'verify', target])
    expect(verified.exitCode).toBe(0)
  })

  it('as JSON', async () => {
    const { logId, xid } = await withDoubts()
    await runCli(['log', 'backup', directory, file])
    const { exitCode, stdout } = await runCli(['log', 'restore', file, target, '--json'])
    expect(exitCode).toBe(0)
    const document = JSON.parse(stdout) as Record<string, unknown>
    expect(document).toMatchObject({
      file,
      directory: target,
      inherited: {
        log_id: logId,
        records: 7,
        unended: [
          { xid: xid(1), participants: ['sink', 'offsets'], decide_time: '1970-01-01T00:00:00.002Z' },
        ],
        handed_over: [{ xid: xid(3), participant: 'sink' }],
        heuristics: [{ xid: xid(2), participant: 'sink', ended: 'abort' }],
        participants: [{ name: 'sink', kind: 'sqlite', resource_id: 'sink-1' }],
        forgotten_through: null,
      },
      not_presumed_log_ids: [logId],
    })
    expect(document['log_id']).not.toBe(logId)
    expect(document['backup_time']).toMatch(/^\d{4}-/)
  })

  it('replaces no log, and takes nothing but a backup', async () => {
    await withDoubts()
    await runCli(['log', 'backup', directory, file])
    const occupied = await runCli(['log', 'restore', file, directory])
    expect(occupied).toMatchObject({ exitCode: 64, stdout: '' })
    expect(occupied.stderr).toMatch(/holds a log already .*name another directory\n$/)
    const copy = await runCli(['log', 'restore', join(directory, 'pledged.db'), target])
    expect(copy).toMatchObject({ exitCode: 74, stdout: '' })
    expect(copy.stderr).toMatch(/is not a backup: name a file that `pledged log backup` made/)
  })
})
