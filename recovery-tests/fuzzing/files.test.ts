/**
 * The files that the program reads, spoiled: it refuses them, with its exit code and a sentence, or goes on with what is
 * true. What was answered "committed" is never answered otherwise, whatever has become of the log.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, PledgedError } from '../../src/sdk/client/index.ts'
import {
  CommitBranchRequest,
  GetBranchEvidenceRequest,
  PrepareBranchRequest,
} from '../../src/wire/generated/pledged/v1/participant_service.ts'
import { DaemonUnderTest, type Ended, pledged } from '../harness/pledged.ts'
import { requireAnswer } from './answers.ts'
import { IS_FULL, runs } from './budget.ts'
import { changedBefore, spoiled } from './hostile-files.ts'
import { framed, RawConnection } from './raw-calls.ts'
import { STACK_TRACE, WatchedProcess } from './watched-process.ts'

const EXITS = { badNews: 1, internal: 70, log: 74, unknown: 75, configuration: 78 } as const
const TRANSACTIONS = 12
/** Frames of the last transactions, and of what was written lazily after them. */
const LAST_BATCHES_BYTES = 12 * 4_120
const STARTS_WITHIN_MS = 120_000
const ANSWER_WITHIN_MS = 30_000

const root = mkdtempSync(join(tmpdir(), 'pledged-files-'))
const killed = join(root, 'killed')
const closed = join(root, 'closed')
/** Answered "committed", in this order. */
const xids: string[] = []
let copies = 0

/** A log with work in it, as kill -9 leaves it, and as SIGTERM does; and both participants' files. */
beforeAll(async () => {
  const daemon = new DaemonUnderTest(killed)
  const sink = new DatabaseSync(join(killed, 'sink.db'))
  sink.exec('CREATE TABLE t (id INTEGER PRIMARY KEY)')
  sink.close()
  await daemon.start()
  {
    await using coordinator = connect({ address: daemon.address })
    for (let id = 1; id <= TRANSACTIONS; id += 1) {
      const statements = [{ sql: 'INSERT INTO t VALUES (?)', params: [id] }]
      const advance = [{ topic: 't', partition: 0, from: id - 1, to: id }]
      const { xid, outcome } = await coordinator.execute([
        { participant: 'sink', work: { statements } },
        { participant: 'offsets', work: { group: 'g', owner_epoch: 1, advance } },
      ])
      expect(outcome).toBe('committed')
      xids.push(xid)
    }
  }
  await daemon.end('SIGKILL')
  cpSync(killed, closed, { recursive: true })
  const again = new DaemonUnderTest(closed)
  await again.start()
  await again.end('SIGTERM')
}, STARTS_WITHIN_MS)

afterAll(() => rmSync(root, { recursive: true, force: true }))

interface Spoiled {
  readonly from: string
  readonly file: string
  readonly bytes: Uint8Array
}

/** One file of the folder, spoiled. */
function spoiledIn(
  folders: readonly string[],
  wanted: RegExp,
  spoil: (whole: Uint8Array, file: string) => fc.Arbitrary<Uint8Array> = spoiled,
): fc.Arbitrary<Spoiled> {
  const files = folders.flatMap((from) =>
    readdirSync(from)
      .filter((file) => wanted.test(file))
      .map((file) => ({ from, file })),
  )
  expect(files.length).toBeGreaterThan(0)
  return fc
    .constantFrom(...files)
    .chain(({ from, file }) =>
      spoil(new Uint8Array(readFileSync(join(from, file))), file).map((bytes) => ({ from, file, bytes })),
    )
}

/**
 * What is cut off a WAL's end can't be told from what a power cut had kept from being written, and never answered; so
 * its last batches stay as they are. The main file is whole, or it is damaged.
 */
function inTheMiddle(whole: Uint8Array, file: string): fc.Arbitrary<Uint8Array> {
  return changedBefore(whole, file.endsWith('-wal') ? LAST_BATCHES_BYTES : 0)
}

function copyOf({ from, file, bytes }: Spoiled): string {
  copies += 1
  const copy = join(root, `copy-${copies}`)
  cpSync(from, copy, { recursive: true })
  writeFileSync(join(copy, file), bytes)
  return copy
}

function requireSentence({ code, stdout, stderr }: Ended, exits: readonly number[]): void {
  expect(exits, stderr).toContain(code)
  expect(stdout).not.toMatch(STACK_TRACE)
  expect(stderr).not.toMatch(STACK_TRACE)
  expect(stderr).not.toContain('a bug in Pledged')
  if (code !== 0) expect(`${stdout}${stderr}`.trim()).not.toBe('')
}

describe('a spoiled log', () => {
  const logs = [join(killed, 'log'), join(closed, 'log')]
  const wanted = /^pledged\.db(-wal)?$/

  it('is found out by log verify, or has what it had, from the beginning', async () => {
    const whole = new Map<string, string[]>()
    for (const log of logs) {
      const dumped = await pledged([
        'log',
        'dump',
        copyOf({ from: log, file: 'unspoiled', bytes: new Uint8Array() }),
      ])
      whole.set(log, dumped.stdout.trimEnd().split('\n'))
    }
    await fc.assert(
      fc.asyncProperty(spoiledIn(logs, wanted), async (damage) => {
        const directory = copyOf(damage)
        const verified = await pledged(['log', 'verify', directory])
        requireSentence(verified, [0, EXITS.badNews, EXITS.log])
        const dumped = await pledged(['log', 'dump', directory])
        requireSentence(dumped, [0, EXITS.badNews, EXITS.log])
        const records = dumped.stdout.trimEnd().split('\n')
        if (verified.code === 0) expect(records).toEqual(whole.get(damage.from)?.slice(0, records.length))
        rmSync(directory, { recursive: true })
      }),
      runs(4, 120),
    )
  })

  it('is refused by serve, or what was committed stays so', async () => {
    await fc.assert(
      fc.asyncProperty(spoiledIn(logs, wanted, inTheMiddle), async (damage) => {
        const directory = copyOf(damage)
        const socket = `unix:${join(directory, 's.sock')}`
        const flags = ['--data-dir', directory, '--listen', socket, '--http-listen', '127.0.0.1:0']
        const daemon = new WatchedProcess(['serve', ...flags], { PLEDGED_TIMEOUTS_DRAIN: '100ms' })
        await daemon.untilEndOr(() => daemon.output.includes('"message":"started"'), STARTS_WITHIN_MS)
        if (daemon.running) await requireCommitted(socket)
        const code = (await daemon.end('SIGTERM')) ?? -1
        requireSentence({ code, stdout: '', stderr: daemon.output }, [0, EXITS.log, EXITS.unknown])
        rmSync(directory, { recursive: true })
      }),
      runs(4, 100),
    )
  })
})

async function requireCommitted(address: string): Promise<void> {
  await using coordinator = connect({ address, timeoutMs: 5_000 })
  for (const xid of xids) {
    try {
      const { outcome } = await coordinator.get({ xid })
      expect(['committed', 'unknown']).toContain(outcome)
    } catch (error) {
      // It says that it can't say.
      if (!(error instanceof PledgedError)) throw error
    }
  }
}

/** Damage may show only where it is looked at. */
async function requireAnswers(address: string, name: string): Promise<void> {
  const connection = new RawConnection(address)
  const branch = { xid: 'zzzzzzzzzzzz.1-aaaa.1', branch: name }
  const work = Buffer.from('{"statements":[{"sql":"INSERT INTO t VALUES (99)"}]}')
  const calls = [
    ['DescribeParticipant', new Uint8Array()],
    ['ListPreparedBranches', new Uint8Array()],
    [
      'PrepareBranch',
      PrepareBranchRequest.encode(PrepareBranchRequest.fromPartial({ ...branch, work })).finish(),
    ],
    ['GetBranchEvidence', GetBranchEvidenceRequest.encode(branch).finish()],
    ['CommitBranch', CommitBranchRequest.encode(branch).finish()],
    ['AbortBranch', CommitBranchRequest.encode(branch).finish()],
  ] as const
  for (const [method, request] of calls) {
    const path = `/pledged.v1.ParticipantService/${method}`
    requireAnswer(
      await connection.call([framed(request)], { path, answerWithinMs: ANSWER_WITHIN_MS }),
      method,
    )
  }
  connection.close()
}

describe("a participant's spoiled file", () => {
  it.each([
    ['sqlite', 'sink'],
    ['offsets', 'offsets'],
  ] as const)('of kind %s is refused, or served', async (kind, name) => {
    const wanted = new RegExp(`^${name}\\.db(-wal)?$`)
    await fc.assert(
      fc.asyncProperty(spoiledIn([killed, closed], wanted), async (damage) => {
        const directory = copyOf(damage)
        const listen = `unix:${join(directory, 's.sock')}`
        const flags = ['--name', name, '--file', join(directory, `${name}.db`), '--listen', listen]
        const participant = new WatchedProcess(['participant', 'serve', kind, ...flags])
        const told = () => /listens at|can't be served/.test(participant.output)
        await participant.untilEndOr(told, STARTS_WITHIN_MS)
        if (participant.running) await requireAnswers(listen, name)
        const code = (await participant.end('SIGTERM')) ?? -1
        requireSentence({ code, stdout: '', stderr: participant.output }, [
          0,
          EXITS.configuration,
          EXITS.internal,
          EXITS.log,
        ])
        rmSync(directory, { recursive: true })
      }),
      runs(2, 40),
    )
  })
})

describe('a file that is none', () => {
  const none = join(root, 'none')
  const texts = ['hunter2-secret', '\0\0\0', '[', `"${'x'.repeat(100_000)}`, '\ud800', '{"a": 1}\n{"a":']

  it('is refused with the exit code of its kind', async () => {
    mkdirSync(none, { recursive: true })
    for (const [index, text] of (IS_FULL ? texts : texts.slice(0, 1)).entries()) {
      const file = join(none, `${index}`)
      writeFileSync(file, text)
      await expectRefusals(file)
    }
    for (const path of IS_FULL ? [none, '/dev/zero'] : ['/dev/zero']) await expectRefusals(path)
  })
})

async function expectRefusals(path: string): Promise<void> {
  const serve = ['participant', 'serve']
  const secret = await Promise.all([
    pledged(['serve', '--config', path, '--check-config']),
    pledged([...serve, 'postgres', '--name', 'a', '--url-file', path]),
    pledged([...serve, 'mysql', '--name', 'a', '--url-file', path]),
  ])
  const open = await Promise.all([
    pledged([...serve, 'sqlite', '--name', 'a', '--file', join(root, 'a.db'), '--statements-file', path]),
    ...(path === '/dev/zero' ? [] : [pledged(['demo', '--input', path])]),
  ])
  for (const ended of [...secret, ...open]) requireSentence(ended, [64, EXITS.configuration])
  for (const { stderr } of secret) expect(stderr).not.toContain('hunter2')
}
