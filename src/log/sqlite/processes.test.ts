import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { PledgedError } from '../../base/errors.ts'
import { epochNumber } from '../../base/ids.ts'
import { appended, refused, xidsOf } from '../conformance/index.ts'
import type { Log } from '../log.ts'
import { decision } from '../sample-records.ts'
import { dumpLog } from './dump.ts'
import { logFiles } from './files.ts'
import { logIn, place } from './test-places.ts'
import { verifyLog } from './verify.ts'

interface Child {
  readonly lines: string[]
  readonly pid: number
  /** Once it has said that many lines in all. */
  said(count: number): Promise<void>
  kill(): Promise<void>
  readonly ended: Promise<void>
}

function child(directory: string, mode: string): Child {
  const script = join(import.meta.dirname, 'test-child.ts')
  const running = spawn(process.execPath, [script, directory, mode], { stdio: ['ignore', 'pipe', 'ignore'] })
  onTestFinished(() => void running.kill('SIGKILL'))
  const lines: string[] = []
  let rest = ''
  let check = (): void => {}
  running.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    check()
  })
  const ended = new Promise<void>((resolve) => running.once('close', () => resolve()))
  return {
    lines,
    pid: running.pid ?? 0,
    said: (count) =>
      new Promise((resolve, reject) => {
        check = () => lines.length >= count && resolve()
        check()
        void ended.then(() => reject(new Error(`the child ended after ${lines.length} lines`)))
      }),
    kill: () => {
      running.kill('SIGKILL')
      return ended
    },
    ended,
  }
}

/** Every ended transaction that the log has. */
async function allEnded(log: Log): Promise<Set<string>> {
  const found = new Set<string>()
  let page = await log.listEnded({ pageSize: 500 })
  while (page.length > 0) {
    for (const { record } of page) found.add(record.xid)
    const last = [...found].at(-1)?.split('.') ?? []
    const before = { epochNumber: Number(last[1]?.split('-')[0]), sequence: Number(last[2]) }
    page = await log.listEnded({ pageSize: 500, before })
  }
  return found
}

describe('kill -9', () => {
  test('what was answered is there, over many kills of one log', { timeout: 120_000 }, async () => {
    const directory = place()
    const decided = new Set<string>()
    const ended = new Set<string>()
    for (let kill = 1; kill <= 8; kill += 1) {
      const victim = child(directory, 'append')
      await victim.said(kill * 60)
      await victim.kill()
      for (const [word, xid = ''] of victim.lines.map((line) => line.split(' '))) {
        if (word === 'decided') decided.add(xid)
        if (word === 'ended') ended.add(xid)
      }
      // Looked at without being opened, between kills: it must not matter to the next opening.
      expect(verifyLog(directory)).toMatchObject({ mark: 'open', problems: [] })
      const log = logIn(directory)
      const { epoch, unended } = await log.open()
      expect(epochNumber(epoch)).toBe(2 * kill)
      const isThere = await allEnded(log)
      for (const { xid } of unended) isThere.add(xid)
      expect([...decided].filter((xid) => !isThere.has(xid))).toEqual([])
      expect(unended.filter(({ xid }) => ended.has(xid))).toEqual([])
      await log.close()
      expect(verifyLog(directory)).toMatchObject({ mark: 'closed', problems: [] })
    }
    expect(decided.size).toBeGreaterThan(1_000)
  })

  test('a process that exits, or throws, without a close leaves a log that opens', async () => {
    for (const mode of ['exit', 'throw']) {
      const directory = place()
      const gone = child(directory, mode)
      await gone.ended
      expect(gone.lines).toHaveLength(2)
      const log = logIn(directory)
      expect((await log.open()).unended).toHaveLength(1)
      await log.close()
    }
  })
})

test('a process whose disk is full, and that dies of it without a close, leaves a log that opens', async () => {
  const directory = place()
  const gone = child(directory, 'full')
  await gone.ended
  const decided = gone.lines.filter((line) => line.startsWith('decided ')).map((line) => line.slice(8))
  expect(decided.length).toBeGreaterThan(10)
  const log = logIn(directory)
  const { unended } = await log.open()
  const isThere = await allEnded(log)
  for (const { xid } of unended) isThere.add(xid)
  expect(decided.filter((xid) => !isThere.has(xid))).toEqual([])
  await log.close()
})

describe('R8: one owner', () => {
  test('a directory that another process has is refused, with its name and its owner', async () => {
    const directory = place()
    const owner = child(directory, 'hold')
    await owner.said(1)
    const log = logIn(directory)
    const inUse = {
      code: 'LOG_IN_USE',
      message: expect.stringMatching(new RegExp(`${directory} is in use by another process \\(${owner.pid}`)),
    }
    await expect(log.open()).rejects.toMatchObject(inUse)
    expect(() => verifyLog(directory)).toThrow(expect.objectContaining(inUse))
    expect(() => [...dumpLog(directory)]).toThrow(expect.objectContaining(inUse))
    await owner.kill()
    await log.open()
    await log.close()
  })

  test('a lock file that is deleted under its owner does not let a second one in', async () => {
    const directory = place()
    const owner = child(directory, 'hold')
    await owner.said(1)
    rmSync(logFiles(directory).lock)
    await expect(logIn(directory).open()).rejects.toMatchObject({ code: 'LOG_IN_USE' })
    await owner.kill()
    const log = logIn(directory)
    await log.open()
    await log.close()
  })

  test('two logs of one process, and a second opening of one of them', async () => {
    const [one, other] = [logIn(place()), logIn(place())]
    const xid = xidsOf(await one.open())
    await other.open()
    const second = logIn(one.directory)
    await expect(second.open()).rejects.toMatchObject({ code: 'LOG_IN_USE' })
    await appended(one, decision(xid(1)))
    await other.close()
    await one.close()
    expect((await second.open()).unended).toHaveLength(1)
    await second.close()
  })

  test('the attempt of a second opening does not take the lock from the first', async () => {
    const log = logIn(place())
    await log.open()
    await expect(logIn(log.directory).open()).rejects.toMatchObject({ code: 'LOG_IN_USE' })
    const stranger = child(log.directory, 'hold')
    await stranger.ended
    expect(stranger.lines).toEqual([])
    await log.close()
  })
})

describe('a directory', () => {
  test('is made for this user alone', async () => {
    const log = logIn(join(place(), 'deeper'))
    await log.open()
    expect(statSync(log.directory).mode & 0o777).toBe(0o700)
    await log.close()
    expect(existsSync(logFiles(log.directory).pid)).toBe(false)
  })

  test('that is a file is refused', async () => {
    const path = place()
    writeFileSync(path, 'not a directory')
    const message = expect.stringMatching(new RegExp(`${path} is a file`))
    await expect(logIn(path).open()).rejects.toMatchObject({ code: 'LOG_UNREADABLE', message })
    await expect(logIn(join(path, 'data')).open()).rejects.toMatchObject({ code: 'LOG_UNREADABLE' })
    expect(() => verifyLog(path)).toThrow(expect.objectContaining({ code: 'LOG_UNREADABLE' }))
  })

  test('that nobody can write is refused', async () => {
    // As root, permissions refuse nothing; the kernel's own file systems do.
    const path = process.getuid?.() === 0 ? '/proc/self/task' : place()
    if (process.getuid?.() !== 0) {
      mkdirSync(path)
      chmodSync(path, 0o500)
    }
    await expect(logIn(path).open()).rejects.toMatchObject({ code: 'LOG_UNREADABLE' })
  })

  test('without a log has nothing to verify, and gets none', () => {
    const path = place()
    expect(() => verifyLog(path)).toThrow(expect.objectContaining({ code: 'LOG_UNREADABLE' }))
    mkdirSync(path)
    expect(() => [...dumpLog(path)]).toThrow(expect.objectContaining({ code: 'LOG_UNREADABLE' }))
    expect(existsSync(logFiles(path).lock)).toBe(false)
  })
})

describe('R6: after a failure nothing more is written', () => {
  test('a full disk', async () => {
    const log = logIn(place(), { faults: { pageCountMax: 30 } })
    const xid = xidsOf(await log.open())
    const answers: (PledgedError | undefined)[] = []
    for (let first = 1; first <= 800; first += 20) {
      const batch = Array.from({ length: 20 }, (_, index) => refused(log, decision(xid(first + index))))
      answers.push(...(await Promise.all(batch)))
    }
    const failed = answers.findIndex((failure) => failure !== undefined)
    expect(failed).toBeGreaterThan(0)
    expect(answers.slice(failed).every((failure) => failure?.code === 'LOG_UNWRITABLE')).toBe(true)
    expect(answers[failed]?.message).toMatch(/its disk is full/)
    expect(answers[failed]?.message).toContain(log.directory)
    await expect(log.forget({ epochNumber: 1, sequence: 1 })).rejects.toMatchObject({
      code: 'LOG_UNWRITABLE',
    })
    expect(await log.findTransaction(xid(1))).toBeDefined()
    await log.close()

    const again = logIn(log.directory)
    const { unended } = await again.open()
    const there = new Set(unended.map((record) => record.xid))
    for (let sequence = 1; sequence <= failed; sequence += 1) expect(there.has(xid(sequence))).toBe(true)
    await appended(again, decision(xid(900)))
    await again.close()
  })

  test('a thread that dies', async () => {
    const log = logIn(place(), { faults: { batchesBeforeDeath: 3 } })
    const xid = xidsOf(await log.open())
    await appended(log, decision(xid(1)))
    await appended(log, decision(xid(2)))
    const [third, fourth] = await Promise.all([
      refused(log, decision(xid(3))),
      refused(log, decision(xid(4))),
    ])
    expect(third).toMatchObject({
      code: 'LOG_UNWRITABLE',
      message: expect.stringMatching(/its thread ended/),
    })
    expect(fourth).toMatchObject({ code: 'LOG_UNWRITABLE' })
    expect(await refused(log, decision(xid(5)))).toMatchObject({ code: 'LOG_UNWRITABLE' })
    await expect(log.findTransaction(xid(1))).rejects.toMatchObject({ code: 'LOG_UNWRITABLE' })
    await log.close()
    const again = logIn(log.directory)
    const unended = (await again.open()).unended.map((record) => record.xid)
    expect(unended.slice(0, 2)).toEqual([xid(1), xid(2)])
    await again.close()
  })

  test('a record that could not be read back', async () => {
    const log = logIn(place())
    const xid = xidsOf(await log.open())
    const wrong = { ...decision(xid(1)), decideTimeMs: Number.NaN }
    const failure = await refused(log, wrong)
    expect(failure).toMatchObject({
      code: 'LOG_UNWRITABLE',
      message: expect.stringMatching(/decideTimeMs is wrong/),
    })
    expect(await refused(log, decision(xid(2)))).toMatchObject({ code: 'LOG_UNWRITABLE' })
    await log.close()
    const again = logIn(log.directory)
    expect((await again.open()).unended).toEqual([])
    await again.close()
  })
})

describe('group commit', () => {
  test('appends that wait share one forced write', async () => {
    const log = logIn(place())
    const xid = xidsOf(await log.open())
    // Keeps the thread busy while the others are posted.
    const busy = appended(log, ...Array.from({ length: 5_000 }, (_, index) => decision(xid(index + 1))))
    const waiting = Array.from({ length: 64 }, (_, index) => appended(log, decision(xid(10_000 + index))))
    await Promise.all([busy, ...waiting])
    expect(log.counters()).toEqual({ forcedWrites: 2, records: 5_064 })
    await log.close()
  })

  test('up to a bound', async () => {
    const log = logIn(place(), { batchRecordsMax: 10 })
    const xid = xidsOf(await log.open())
    const busy = appended(log, ...Array.from({ length: 5_000 }, (_, index) => decision(xid(index + 1))))
    const waiting = Array.from({ length: 64 }, (_, index) => appended(log, decision(xid(10_000 + index))))
    await Promise.all([busy, ...waiting])
    expect(log.counters()).toEqual({ forcedWrites: 8, records: 5_064 })
    await log.close()
  })
})
