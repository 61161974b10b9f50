/**
 * The main job with the coordinator embedded in the processor: one process, killed with kill -9 at the coordinator's and the
 * participants' crash points and at random; the same log and databases throughout. After each kill the next process opens the
 * log, with its participants by turns in threads of their own and in its one thread. When that has settled, sink and offsets
 * agree, nothing is left prepared, and the coordinator stands by every answer that was ever given. In the end a daemon opens that log, and an embedded coordinator the daemon's.
 *
 * Ten aimed kills and three at random; with PLEDGED_FULL=1 five times at twice as many points, and sixty at random.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CRASH_POINTS, type CrashPoint, type CrashWindow } from '../../src/base/crash-points.ts'
import { checkConfiguration, startDaemon } from '../../src/daemon/index.ts'
import { FileStores } from '../../src/demo/file-stores.ts'
import { ManagedProcess } from '../../src/demo/managed-process.ts'
import { connect } from '../../src/sdk/client/index.ts'
import { ClientRecord } from '../harness/client-record.ts'
import { disagreements } from '../harness/databases.ts'

const FULL = process.env['PLEDGED_FULL'] === '1'
const WORKERS = 3
const WITHIN_MS = 60_000
const PLACES = ['threads', 'here'] as const

/** At which pass the process dies: late enough that others have ended before, or the first where it is passed once. */
const AIMS: readonly (readonly [point: CrashPoint, pass: number])[] = [
  ['coordinator.vote.received', 12],
  ['coordinator.append.posted', 8],
  ['coordinator.append.durable', 8],
  ['coordinator.delivery.before-send', 8],
  // What the last kill left is recovered by a process that is killed, too.
  ['coordinator.opening.fenced', 1],
  ['coordinator.held.received', 1],
  ['coordinator.delivery.after-send', 8],
  ['coordinator.abort.before-send', 2],
  ['participant.vote.before-send', 8],
  ['participant.decision.received', 8],
]
const MORE_AIMS: typeof AIMS = [
  ['coordinator.prepare.after-send', 9],
  ['coordinator.append.before-post', 8],
  ['coordinator.opening.checked', 1],
  ['coordinator.answer.sent', 8],
  ['coordinator.opening.replayed', 1],
  ['coordinator.scan.sent', 1],
  ['coordinator.acknowledgement.received', 9],
  ['coordinator.end.posted', 1],
  ['participant.decision.applied', 8],
  ['application.execute.sent', 9],
  ['application.execute.answered', 9],
]
const ROUNDS = FULL ? 5 : 1
const RANDOM_KILLS = FULL ? 60 : 3

const directory = mkdtempSync(join(tmpdir(), 'pledged-embedded-'))
const journal = join(directory, 'journal.jsonl')
const stores = new FileStores(directory)
const running = new Set<ManagedProcess>()
let kills = 0
let lives = 0

beforeAll(() => stores.start())

afterAll(() => {
  for (const process of running) process.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

interface Life {
  readonly process: ManagedProcess
  /** Resolves with what the coordinator doesn't stand by, when what was left is settled. */
  readonly settled: Promise<readonly string[]>
  /** Resolves when so many have committed. */
  moved(count: number): Promise<void>
}

function start(crashPoint = ''): Life {
  const settled = Promise.withResolvers<readonly string[]>()
  let committed = 0
  lives += 1
  const process = new ManagedProcess({
    name: 'processor',
    arguments: [
      join(import.meta.dirname, 'processor.ts'),
      directory,
      String(WORKERS),
      PLACES[lives % 2] ?? '',
    ],
    environment: {
      PLEDGED_CRASH_POINT: crashPoint,
      NODE_COMPILE_CACHE: join(directory, 'compile-cache'),
    },
    onMessage: (message) => {
      const { type, contradictions } = message as { type: string; contradictions: readonly string[] }
      if (type === 'settled') settled.resolve(contradictions)
      else committed += 1
    },
  })
  running.add(process)
  process.exited.then(
    () => {
      running.delete(process)
      settled.reject(new Error(`the processor ended before it was settled: ${process.lastWords}`))
    },
    () => {},
  )
  settled.promise.catch(() => {})
  return {
    process,
    settled: settled.promise,
    moved: async (count) => {
      while (committed < count && process.running) await sleep(5)
      expect(committed, process.lastWords).toBeGreaterThanOrEqual(count)
    },
  }
}

/** What the killed process left is settled, and the oracle, from outside, agrees. */
async function settle({ settled }: Life): Promise<void> {
  expect(await settled).toEqual([])
  expect(disagreements(stores, WORKERS)).toEqual([])
}

async function goOn(life: Life, count: number): Promise<void> {
  await settle(life)
  life.process.send({ type: 'go' })
  await life.moved(count)
}

async function expectKilled({ process }: Life, why: string): Promise<void> {
  const late = sleep(WITHIN_MS, 'late' as const, { ref: false })
  const exit = await Promise.race([process.exited, late])
  expect(exit, `${why}: ${process.lastWords}`).toEqual({ code: null, signal: 'SIGKILL' })
  kills += 1
}

async function stop({ process }: Life): Promise<void> {
  process.send({ type: 'stop' })
  expect(await process.exited, process.lastWords).toEqual({ code: 0, signal: null })
}

/** These are passed before the process is settled, or in a thread: they are armed from the start. */
const FROM_THE_START = /^(?:participant|coordinator\.(?:opening|scan|held))\./
const WHILE_RECOVERING = /^coordinator\.(?:opening|scan|held)\./

describe.each(Array.from({ length: ROUNDS }, (_, round) => round))('kill -9, round %i', (round) => {
  it.each(FULL ? [...AIMS, ...MORE_AIMS] : AIMS)('at %s', async (point, first) => {
    const pass = first + 3 * round * Math.sign(first - 1)
    const life = start(FROM_THE_START.test(point) ? `${point}@${pass}` : 'ipc')
    if (!WHILE_RECOVERING.test(point)) {
      await settle(life)
      if (!FROM_THE_START.test(point)) await life.process.arm(point, { after: pass })
      life.process.send({ type: 'go' })
    }
    await expectKilled(life, point)
  })
})

describe('kill -9 out of the blue', () => {
  it.each(Array.from({ length: RANDOM_KILLS }, (_, index) => index))('%i', async (index) => {
    const life = start()
    if (index % 4 < 2) {
      await goOn(life, 1)
      await sleep(Math.random() * 100)
    } else {
      await sleep(Math.random() * 500)
    }
    life.process.kill('SIGKILL')
    await expectKilled(life, 'out of the blue')
  })
})

describe('the log that they leave', () => {
  it('goes on: here, then under a daemon, then here again', async () => {
    const before = start()
    await goOn(before, 5)
    await stop(before)
    expect(disagreements(stores, WORKERS)).toEqual([])
    await underDaemon()
    const after = start()
    await goOn(after, 5)
    await stop(after)
    expect(disagreements(stores, WORKERS)).toEqual([])
    const { told } = new ClientRecord(journal)
    process.stdout.write(`${kills} kills of an embedded coordinator; answers checked: ${told.length}\n`)
  })

  it('is one in which every window was hit', () => {
    const windows = new Set<CrashWindow | undefined>(AIMS.map(([point]) => CRASH_POINTS[point]))
    for (const point of Object.values(CRASH_POINTS)) expect(windows).toContain(point)
  })

  it('would show a row too many', () => {
    const sink = new DatabaseSync(stores.sinkFile)
    sink.exec(
      "INSERT INTO events (event, payload) SELECT event, payload FROM events WHERE payload = '0' LIMIT 1",
    )
    sink.close()
    expect(disagreements(stores, WORKERS)).toHaveLength(1)
  })
})

/** The same directory, participants and identity. */
async function underDaemon(): Promise<void> {
  const configFile = join(directory, 'pledged.yaml')
  writeFileSync(
    configFile,
    [
      `listen: unix:${join(directory, 'pledged.sock')}`,
      'http_listen: 127.0.0.1:0',
      'data_dir: ./log',
      'participants:',
      '  - { name: sink, kind: sqlite, file: ./sink.db }',
      '  - { name: offsets, kind: offsets, file: ./offsets.db }',
      '',
    ].join('\n'),
  )
  const configuration = checkConfiguration({ configFile, logLevel: 'error' }, {})
  const daemon = await startDaemon(configuration)
  try {
    await using coordinator = connect({ address: daemon.grpcAddress })
    expect(await new ClientRecord(journal).contradictions(coordinator, 0)).toEqual([])
    // Opened by one, it is closed to the other.
    const refused = start()
    await expect(refused.settled).rejects.toThrow(/LOG_IN_USE|is in use by/)
    expect(daemon.inspection.status()).toMatchObject({ inDoubt: 0, heuristics: 0 })
  } finally {
    await daemon.stop()
  }
}
