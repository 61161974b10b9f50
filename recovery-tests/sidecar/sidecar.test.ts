/**
 * `pledged run` as it is used: real applications that end well, crash, ignore signals, fork or aren't there; a daemon part
 * and a supervisor that are killed. The oracle is outside: exit codes, what the application saw, and rows that agree.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { FileStores } from '../../src/demo/file-stores.ts'
import { disagreements } from '../harness/databases.ts'
import { CLI_FILE } from '../harness/pledged.ts'
import { APPLICATION, isAlive, Place, parentOf, type Run } from './running.ts'

const WORKERS = 3
const DAEMON_KILLS = process.env['PLEDGED_FULL'] === '1' ? 8 : 2

const root = mkdtempSync(join(tmpdir(), 'pledged-run-'))
const places: Place[] = []
afterEach(() => {
  for (const place of places.splice(0)) place.killAll()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function newPlace(): Promise<Place> {
  const place = await new Place(mkdtempSync(join(root, 'x'))).make()
  places.push(place)
  return place
}

describe('the exit code', () => {
  it.each([
    ["the application's own", ['sh', '-c', 'exit 41'], 41],
    ['126: not executable', ['./pledged.yaml'], 126],
    ['127: not there', ['./nothing'], 127],
  ])('%s', async (_what, command, code) => {
    const place = await newPlace()
    const run = place.run(command)
    expect(await run.ended(), run.said).toBe(code)
    expect(run.said).toContain('every decision was delivered')
    expect(run.daemonPids.filter(isAlive)).toEqual([])
  })

  it("the application's own, where the drain leaves a decision undelivered: that is told", async () => {
    const place = await newPlace()
    const archive = new FileStores(join(place.directory, 'archive'))
    mkdirSync(join(place.directory, 'archive'))
    await archive.start()
    const run = place.run([process.execPath, APPLICATION, 'owes', CLI_FILE, archive.sinkFile], {
      environment: { PLEDGED_TIMEOUTS_DRAIN: '100ms' },
    })
    expect(await run.ended(), run.said).toBe(0)
    expect(run.stdout).toContain('committed')
    expect(run.stderr).toMatch(/1 decision is still undelivered \(archive\): keep the data directory/)
  })

  it('125: what a restart does not mend, in a sentence', async () => {
    const place = await newPlace()
    writeFileSync(join(place.directory, 'wrong.yaml'), 'data_dirs: ./log\n')
    const wrong = place.run(['touch', 'started'], { flags: ['--config', 'wrong.yaml'] })
    const first = place.application('signals')
    await first.until(() => first.applicationPid > 0, 'the application')
    const second = place.run(['touch', 'started'])
    expect(await second.ended(), second.said).toBe(125)
    expect(second.stderr).toMatch(/^pledged: .*another process/)
    expect(await wrong.ended(), wrong.said).toBe(125)
    expect(wrong.stderr).toContain('data_dirs')
    expect(existsSync(join(place.directory, 'started'))).toBe(false)
    first.signal('SIGUSR2')
    expect(await first.ended(), first.said).toBe(5)
  })
})

describe('signals', () => {
  it('reach the application once each, and it alone ends; its socket is its own', async () => {
    const place = await newPlace()
    const run = place.application('signals')
    await run.until(() => run.applicationPid > 0, 'the application')
    const socket = socketOf(run)
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1'] as const) {
      run.signal(signal)
      await run.until(() => run.count(`got ${signal}`) > 0, signal)
    }
    // A service manager may send them to everybody.
    for (const pid of run.daemonPids) process.kill(pid, 'SIGTERM')
    run.signal('SIGUSR2')
    expect(await run.ended(), run.said).toBe(5)
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']) {
      expect(run.count(`got ${signal}`), signal).toBe(1)
    }
    expect(run.daemonPids).toHaveLength(1)
    expect(existsSync(dirname(socket))).toBe(false)
  })

  it('that are ignored end nothing, without a stop timeout', async () => {
    const place = await newPlace()
    const run = place.application('signals', { flags: ['--stop-timeout', '50ms'] })
    await run.until(() => run.applicationPid > 0, 'the application')
    run.signal('SIGHUP')
    await run.until(() => run.count('got SIGHUP') > 0, 'SIGHUP')
    run.signal('SIGTERM')
    expect(await run.ended(), run.said).toBe(137)
    expect(run.stderr).toContain('--stop-timeout')
  })

  it('of the keyboard come from the terminal, and from nobody else', async () => {
    const places = [await newPlace(), await newPlace()] as const
    const reached = places[0].application('signals', { terminal: true })
    // In a session of its own the application is out of the terminal's reach: what comes, the supervisor has sent.
    const unreached = places[1].run(['setsid', process.execPath, APPLICATION, 'signals'], { terminal: true })
    for (const run of [reached, unreached]) {
      await run.until(() => run.applicationPid > 0, 'the application')
      run.type('\u0003')
      await run.until(() => run.said.includes('^C'), "the terminal's echo")
    }
    await reached.until(() => reached.count('got SIGINT') > 0, 'SIGINT')
    for (const run of [reached, unreached]) {
      // What was to be passed on was passed on before this.
      process.kill(parentOf(run.applicationPid), 'SIGUSR2')
      expect(await run.ended(), run.said).toBe(5)
      expect(run.daemonPids).toHaveLength(1)
    }
    expect(reached.count('got SIGINT'), reached.said).toBe(1)
    expect(unreached.count('got SIGINT'), unreached.said).toBe(0)
  })
})

describe('with transactions under way', () => {
  it('a daemon part that is killed comes back, and the application goes on', async () => {
    const place = await newPlace()
    const run = place.application('moves', {
      environment: { PLEDGED_DAEMON_CRASH_POINT: 'coordinator.append.durable@20' },
    })
    await run.until(() => run.daemonPids.length === 2, 'a second life')
    for (let kill = 1; kill < DAEMON_KILLS; kill += 1) {
      await run.moves(20)
      const lives = run.daemonPids.length
      run.killDaemon()
      await run.until(() => run.daemonPids.length > lives, 'another life')
    }
    await run.moves(20)
    expect(run.daemonPids).toHaveLength(DAEMON_KILLS + 1)
    expect(run.stderr.match(/killed by SIGKILL/g)).toHaveLength(DAEMON_KILLS)
    run.signal('SIGTERM')
    expect(await run.ended(), run.said).toBe(9)

    await bothAreKilled(place)
    await nothingIsLost(place)
  })

  it('the supervisor is killed: the daemon part ends by itself; an application may leave children behind', async () => {
    const place = await newPlace()
    const run = place.application('moves')
    await run.moves(20)
    const socket = socketOf(run)
    run.signal('SIGKILL')
    await run.until(() => !run.daemonPids.some(isAlive), 'the end of the daemon part')
    expect(existsSync(dirname(socket))).toBe(false)
    run.closeInput()
    await run.until(() => !isAlive(run.applicationPid), 'the end of the application')

    await childrenAreLeftBehind(place)
    await nothingIsLost(place)
  })
})

/** The daemon part a moment before the application: what it had decided is delivered before the end. */
async function bothAreKilled(place: Place): Promise<void> {
  const run = place.application('moves')
  await run.moves(20)
  run.killDaemon()
  process.kill(run.applicationPid, 'SIGKILL')
  expect(await run.ended(), run.said).toBe(137)
  expect(run.stderr).toContain('every decision was delivered')
}

/** They are refused, once the application itself has ended. */
async function childrenAreLeftBehind(place: Place): Promise<void> {
  const run = place.application('forks')
  await run.moves(20)
  run.signal('SIGUSR1')
  expect(await run.ended(), run.said).toBe(4)
  expect(isAlive(run.applicationPid)).toBe(true)
  expect(run.daemonPids.filter(isAlive)).toEqual([])
  run.closeInput()
  await run.until(() => !isAlive(run.applicationPid), 'the end of the child')
}

/** A next run on the same files stands by every answer, and the rows agree. */
async function nothingIsLost(place: Place): Promise<void> {
  const next = place.application('stands-by')
  expect(await next.ended(), next.said).toBe(0)
  expect(next.stdout).toMatch(/^stood by [1-9]/)
  expect(disagreements(place.stores, WORKERS)).toEqual([])
}

function socketOf(run: Run): string {
  return /"address":"unix:([^"]+)"/.exec(run.said)?.[1] ?? ''
}
