import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { PledgedError } from '../../base/errors.ts'
import { epochNumber, type Xid } from '../../base/ids.ts'
import { systemClock, systemRandom } from '../../base/ports.ts'
import { xidsOf } from '../conformance/index.ts'
import { aborted, decision, end, heuristic, onePhase, participant, superseded } from '../sample-records.ts'
import { backupLog } from './backup.ts'
import { DirectoryLock } from './directory-lock.ts'
import { logFiles } from './files.ts'
import { restoreLog } from './restore.ts'
import { crashedCopy, logIn, openIn, place, write } from './test-places.ts'
import { verifyLog } from './verify.ts'

const ports = { clock: systemClock, random: systemRandom }

interface Made {
  readonly directory: string
  readonly logId: string
  readonly xid: (sequence: number) => Xid
}

/** One that committed and ended, one that didn't end, one that aborted, one handed over, one broken; killed. */
function killedLog(): Made {
  const directory = place()
  const { engine, opened } = openIn(directory)
  const xid = xidsOf(opened)
  write(engine, participant('sink', 'sink-1'), participant('offsets', 'offsets-1'), superseded())
  write(engine, decision(xid(1), { request: 'r1' }), end(xid(1)))
  write(engine, decision(xid(2), { request: 'r2' }))
  write(engine, aborted(xid(3), { request: 'r3' }))
  write(engine, onePhase(xid(4)))
  write(engine, decision(xid(5)), heuristic(xid(5)), end(xid(5)))
  const copy = crashedCopy(directory)
  engine.close()
  return { directory: copy, logId: opened.logId, xid }
}

function backupOf(directory: string): string {
  const file = `${place()}.backup`
  backupLog(directory, file, systemClock)
  return file
}

function failure(work: () => unknown): PledgedError {
  try {
    work()
  } catch (error) {
    if (error instanceof PledgedError) return error
    throw error
  }
  return expect.unreachable('it must be refused')
}

function filesIn(directory: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(directory).map((name) => [name, readFileSync(join(directory, name)).toString('base64')]),
  )
}

describe('a backup', () => {
  test('says what is in it, and leaves the log as it was', () => {
    const { directory, logId, xid } = killedLog()
    const before = filesIn(directory)
    const file = `${place()}.backup`
    const report = backupLog(directory, file, systemClock)
    expect(report).toMatchObject({ logId, file, records: 12, earlierLogIds: [], epochNumber: 1 })
    expect(report.unended.map((record) => record.xid)).toEqual([xid(2)])
    expect(report.handedOver.map((record) => record.xid)).toEqual([xid(4)])
    expect(report.heuristics.map((record) => record.xid)).toEqual([xid(5)])
    const { 'pledged.lock': _before, ...logBefore } = before
    const { 'pledged.lock': _after, ...logAfter } = filesIn(directory)
    expect(logAfter).toEqual(logBefore)
    expect(readdirSync(dirname(file))).toEqual(['data.backup'])
    expect(verifyLog(directory).problems).toEqual([])
  })

  test('replaces nothing, and is not made of a log that is in use, damaged, or not there', () => {
    const { directory } = killedLog()
    const file = backupOf(directory)
    const before = readFileSync(file)
    expect(failure(() => backupLog(directory, file, systemClock))).toMatchObject({ code: 'USAGE' })
    expect(readFileSync(file).equals(before)).toBe(true)

    const target = `${place()}.backup`
    const { engine } = openIn(directory)
    const inUse = failure(() => backupLog(directory, target, systemClock))
    expect(inUse.code).toBe('LOG_IN_USE')
    expect(inUse.message).toMatch(/is in use by another process .*stop that one first/)
    engine.abandon()

    rmSync(logFiles(directory).wal)
    expect(failure(() => backupLog(directory, target, systemClock)).code).toBe('LOG_DAMAGED')
    expect(failure(() => backupLog(place(), target, systemClock)).code).toBe('LOG_UNREADABLE')
    const nowhere = join(place(), 'no', 'such.backup')
    expect(failure(() => backupLog(directory, nowhere, systemClock)).message).toMatch(/is not a directory/)
    expect(readdirSync(dirname(target))).toEqual([])
  })

  test('is not made of a log with a changed frame in its WAL', () => {
    const { directory } = killedLog()
    const { wal } = logFiles(directory)
    const bytes = readFileSync(wal)
    bytes[32 + 24 + 200] = (bytes[32 + 24 + 200] ?? 0) ^ 1
    writeFileSync(wal, bytes)
    const file = `${place()}.backup`
    expect(failure(() => backupLog(directory, file, systemClock)).message).toMatch(/was changed: frame 1 was/)
    expect(existsSync(file)).toBe(false)
  })

  test('is no log: it is not opened as one', () => {
    const { directory } = killedLog()
    const other = place()
    mkdirSync(other)
    cpSync(backupOf(directory), logFiles(other).main)
    const refused = failure(() => openIn(other))
    expect(refused.code).toBe('LOG_UNREADABLE')
    expect(refused.message).toMatch(/is a backup of the log .* `pledged log restore`/)
  })
})

describe('a restored log', () => {
  test('has an id of its own, what the backup says, and presumes nothing', async () => {
    const { directory, logId, xid } = killedLog()
    const target = place()
    const report = restoreLog(backupOf(directory), target, ports)
    expect(report.inherited.logId).toBe(logId)
    expect(report.logId).not.toBe(logId)
    expect(verifyLog(target)).toMatchObject({ logId: report.logId, mark: 'closed', problems: [] })

    const log = logIn(target)
    const opened = await log.open()
    expect(opened.logId).toBe(report.logId)
    // Places stay distinct: the new epochs follow the inherited ones, which this log has not opened.
    expect(opened.epochs).toEqual([opened.epoch])
    expect(epochNumber(opened.epoch)).toBe(2)
    expect(opened.restored).toMatchObject({ logIds: [logId], timeMs: report.restoreTimeMs })
    expect(opened.unended.map((record) => record.xid)).toEqual([xid(2)])
    expect(opened.handedOver).toEqual([])
    expect(opened.superseded).toBeUndefined()
    expect(opened.heuristics.map((record) => record.xid)).toEqual([xid(5)])
    expect(opened.participants).toHaveLength(2)
    expect((await log.findTransaction(xid(1)))?.record.type).toBe('decision')
    expect((await log.findTransaction(xid(3)))?.record.type).toBe('aborted')
    expect(await log.findTransaction(xid(4))).toBeUndefined()
    expect(await log.findTransaction(xid(6))).toBeUndefined()
    expect((await log.findRequest('alice', 'r2')).map(({ record }) => record.xid)).toEqual([xid(2)])
    await log.close()
  })

  test('goes on as any other, and can be backed up and restored itself', async () => {
    const first = killedLog()
    const second = place()
    const { logId } = restoreLog(backupOf(first.directory), second, ports)
    const log = logIn(second)
    const opened = await log.open()
    const own = xidsOf(opened)
    await new Promise<void>((resolve, reject) => {
      const done = (failed: PledgedError | undefined): void => (failed ? reject(failed) : resolve())
      // Enough that what is inherited is carried forward.
      const more = Array.from({ length: 60 }, (_, index) => [decision(own(index + 1)), end(own(index + 1))])
      log.append([end(first.xid(2)), ...more.flat(), decision(own(100))], done)
    })
    await log.close()

    const third = place()
    const report = restoreLog(backupOf(second), third, ports)
    expect(report.inherited).toMatchObject({ logId, earlierLogIds: [first.logId] })
    expect(report.inherited.unended.map(({ xid }) => xid)).toEqual([own(100)])
    const { engine, opened: again } = openIn(third)
    expect(again.restored?.logIds).toEqual([logId, first.logId])
    expect(epochNumber(again.epoch)).toBe(3)
    expect(again.unended.map(({ xid }) => xid)).toEqual([own(100)])
    engine.close()
  })

  test('two of one backup are two logs', () => {
    const file = backupOf(killedLog().directory)
    const [one, other] = [restoreLog(file, place(), ports), restoreLog(file, place(), ports)]
    expect(one.logId).not.toBe(other.logId)
  })

  test('replaces no log, whole or lost', () => {
    const file = backupOf(killedLog().directory)
    const there = killedLog().directory
    const occupied = failure(() => restoreLog(file, there, ports))
    expect(occupied.code).toBe('USAGE')
    expect(occupied.message).toMatch(/holds a log already .*name another directory/)
    for (const path of [logFiles(there).main, logFiles(there).wal]) rmSync(path)
    expect(failure(() => restoreLog(file, there, ports)).message).toMatch(/pledged\.lock says that the log/)
    const taken = place()
    mkdirSync(taken)
    const lock = DirectoryLock.take(logFiles(taken))
    expect(failure(() => restoreLog(file, taken, ports)).code).toBe('LOG_IN_USE')
    lock.release()
  })

  test('is not made of what is no backup, or no whole one; and a better one can be used then', () => {
    const { directory } = killedLog()
    const target = place()
    const refusal = (file: string): string => {
      const { code, message } = failure(() => restoreLog(file, target, ports))
      return `${code}: ${message}`
    }
    const file = backupOf(directory)
    expect(refusal(join(directory, 'no-such'))).toMatch(/^LOG_UNREADABLE: .* is not a file/)
    expect(refusal(logFiles(directory).main)).toMatch(/^LOG_UNREADABLE: .* is not a backup/)
    const text = `${place()}.txt`
    writeFileSync(text, 'not a database at all\n'.repeat(20))
    expect(refusal(text)).toMatch(
      /^LOG_DAMAGED: .*\.txt is not a whole backup: .*doesn't begin as a SQLite file/,
    )

    const bytes = readFileSync(file)
    const cut = `${place()}.cut`
    writeFileSync(cut, bytes.subarray(0, bytes.length - 4_096))
    expect(refusal(cut)).toMatch(/^LOG_DAMAGED: .*\.cut is not a whole backup: .* was cut short/)
    const changed = `${place()}.changed`
    cpSync(file, changed)
    const database = new Database(changed)
    database.exec("UPDATE records SET body = replace(body, 'alice', 'malice') WHERE position = 5")
    database.close()
    expect(refusal(changed)).toMatch(/^LOG_DAMAGED: .*\.changed is not a whole backup: record 5 or the one/)

    expect(existsSync(logFiles(target).main)).toBe(false)
    restoreLog(file, target, ports)
    expect(readdirSync(target).sort()).toEqual(['pledged.db', 'pledged.lock'])
  })
})
