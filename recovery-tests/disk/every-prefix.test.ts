/**
 * R7 on the files of a real run: what a power cut can leave of the log's WAL and of each participant's, cut at every
 * frame and within them, opens with all that was answered by then. A byte that was changed anywhere but in the last
 * transaction is refused with a sentence, before SQLite drops what lies behind it.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createOffsetsParticipant } from '../../participants/offsets/index.ts'
import { createSqliteParticipant } from '../../participants/sqlite/index.ts'
import type { Xid } from '../../src/base/ids.ts'
import { SqliteLog } from '../../src/log/sqlite/index.ts'
import { connect, PledgedError } from '../../src/sdk/client/index.ts'
import type { Participant } from '../../src/sdk/participant/index.ts'
import { DaemonUnderTest, pledged } from '../harness/pledged.ts'
import { Ledger } from './ledger.ts'

const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
const FRAME_BYTES = FRAME_HEADER_BYTES + 4_096
const TRANSACTIONS = 8

const FILES = { log: 'log/pledged.db', sink: 'sink.db', offsets: 'offsets.db' } as const
type Subject = keyof typeof FILES
const SUBJECTS = Object.keys(FILES) as Subject[]

const root = mkdtempSync(join(tmpdir(), 'pledged-prefix-'))
const killed = join(root, 'killed')
/** How long each WAL was when the transaction was answered as complete. */
const answered: {
  readonly xid: Xid
  readonly event: number
  readonly bytes: Readonly<Record<Subject, number>>
}[] = []

beforeAll(async () => {
  const daemon = new DaemonUnderTest(join(root, 'daemon'))
  const ledger = new Ledger({
    sink: join(daemon.directory, FILES.sink),
    offsets: join(daemon.directory, FILES.offsets),
  })
  await daemon.start()
  await using coordinator = connect({ address: daemon.address })
  for (let event = 0; event < TRANSACTIONS; event += 1) {
    const { xid } = await ledger.work(coordinator, 0, ({ outcome }) => outcome === 'committed')
    const sizes = SUBJECTS.map((name) => [name, statSync(walOf(daemon.directory, name)).size])
    answered.push({ xid: xid as Xid, event, bytes: Object.fromEntries(sizes) as Record<Subject, number> })
  }
  await daemon.end('SIGKILL')
  execFileSync('cp', ['-r', daemon.directory, killed])
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

function walOf(directory: string, subject: Subject): string {
  return join(directory, `${FILES[subject]}-wal`)
}

function wal(subject: Subject): Buffer {
  return readFileSync(walOf(killed, subject))
}

/** The files as they were at the kill, but for one WAL. */
function withWal(subject: Subject, bytes: Buffer): string {
  const directory = mkdtempSync(join(root, 'case-'))
  const source = subject === 'log' ? dirname(FILES.log) : FILES[subject]
  cpSync(join(killed, source), join(directory, source), { recursive: true })
  writeFileSync(walOf(directory, subject), bytes)
  return directory
}

/** Which of the transactions are there. Throws what refuses. */
const LOOKS: Readonly<Record<Subject, (directory: string) => Promise<ReadonlySet<Xid>>>> = {
  log: async (directory) => {
    const log = new SqliteLog({ directory: join(directory, 'log') })
    await log.open()
    try {
      const kept = await Promise.all(answered.map(({ xid }) => log.findTransaction(xid)))
      return new Set(kept.flatMap((one) => (one === undefined ? [] : [one.record.xid])))
    } finally {
      await log.close()
    }
  },
  sink: async (directory) => {
    const file = join(directory, FILES.sink)
    const found = await held(createSqliteParticipant({ file }))
    const database = new DatabaseSync(file, { readOnly: true })
    const rows = database.prepare('SELECT event FROM events').all()
    database.close()
    for (const { event, xid } of answered) if (rows.some((row) => row['event'] === event)) found.add(xid)
    return found
  },
  offsets: async (directory) => {
    const file = join(directory, FILES.offsets)
    const found = await held(createOffsetsParticipant({ file }))
    const database = new DatabaseSync(file, { readOnly: true })
    const row = database.prepare('SELECT max(position) AS position FROM offsets').get()
    database.close()
    for (const { event, xid } of answered) if (event < Number(row?.['position'] ?? 0)) found.add(xid)
    return found
  },
}

/** By its pledge. */
async function held(participant: Participant): Promise<Set<Xid>> {
  try {
    await participant.describe()
    const { branches } = await participant.listPrepared(1_000, '')
    return new Set(branches.map(({ xid }) => xid as Xid))
  } finally {
    await participant.close?.()
  }
}

async function refusal(subject: Subject, bytes: Buffer): Promise<string> {
  const directory = withWal(subject, bytes)
  try {
    const found = await LOOKS[subject](directory)
    return `opened, with ${found.size}`
  } catch (error) {
    const { code, message } = PledgedError.from(error)
    return `${code}: ${message}`
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function frameCount(bytes: Buffer): number {
  return (bytes.length - HEADER_BYTES) / FRAME_BYTES
}

function startOf(frame: number): number {
  return HEADER_BYTES + (frame - 1) * FRAME_BYTES
}

function commits(bytes: Buffer): number[] {
  const frames = Array.from({ length: frameCount(bytes) }, (_, index) => index + 1)
  return frames.filter((frame) => bytes.readUInt32BE(startOf(frame) + 4) !== 0)
}

function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 0x5a
  return copy
}

describe.each(SUBJECTS)('the WAL of %s', (subject) => {
  it('has all of the run in it', () => {
    const bytes = wal(subject)
    expect(existsSync(walOf(killed, subject))).toBe(true)
    expect(Number.isInteger(frameCount(bytes))).toBe(true)
    expect(commits(bytes).length).toBeGreaterThan(TRANSACTIONS)
  })

  it('opens at every prefix with all that was answered by then', async () => {
    const bytes = wal(subject)
    // What the opening of the log had answered is there; a file's WAL may be cut back to nothing.
    const from = subject === 'log' ? (commits(bytes)[0] ?? 0) + 1 : 1
    const lengths = subject === 'log' ? [] : [0, 1, HEADER_BYTES - 1]
    for (let frame = from; frame <= frameCount(bytes); frame += 1) {
      lengths.push(startOf(frame), startOf(frame) + 11, startOf(frame) + 2_000)
    }
    lengths.push(bytes.length)
    for (const length of lengths) {
      const directory = withWal(subject, bytes.subarray(0, length))
      const found = await LOOKS[subject](directory)
      const expected = answered.filter((one) => one.bytes[subject] <= length)
      expect({ length, lost: expected.filter(({ xid }) => !found.has(xid)) }).toEqual({ length, lost: [] })
      rmSync(directory, { recursive: true, force: true })
    }
  })

  it('is refused with a changed byte in any frame but the last transaction', async () => {
    const bytes = wal(subject)
    const last = commits(bytes).at(-2) ?? 0
    for (let frame = 1; frame <= last; frame += 1) {
      const places = [5, 9, 17, FRAME_HEADER_BYTES + 1 + ((frame * 977) % 4_000)]
      const at = startOf(frame) + (places[frame % places.length] ?? 0)
      expect(await refusal(subject, changed(bytes, at)), `frame ${frame}`).toMatch(
        new RegExp(
          `(LOG_DAMAGED|CONFIGURATION): .*-wal was changed: frame ${frame} was, and frame \\d+ behind it`,
        ),
      )
    }
    expect(await refusal(subject, changed(bytes, 20))).toMatch(/-wal was changed: its header was/)
  })
})

describe('a WAL that is gone', () => {
  it('is refused where the log was not closed', async () => {
    expect(await refusal('log', Buffer.alloc(0))).toMatch(/LOG_DAMAGED: .*pledged\.db-wal is empty/)
  })

  it('of a participant: a pledge that was lost is told at the decision, as a broken pledge', async () => {
    const directory = withWal('offsets', Buffer.alloc(0))
    const participant = createOffsetsParticipant({ file: join(directory, FILES.offsets) })
    const [first] = answered
    const ending = await participant.commit(first?.xid ?? ('' as Xid))
    expect(ending).toMatchObject({ result: 'broken', evidence: 'no_witness' })
    expect(ending.message).toMatch(/the database was replaced, restored from a copy, or edited/)
    await participant.close?.()
  })
})

describe('a daemon whose participant finds its WAL changed', () => {
  it('says so, and goes on when the file is whole again', async () => {
    const directory = join(root, 'served')
    const daemon = new DaemonUnderTest(directory)
    for (const name of ['log', FILES.sink, FILES.offsets, `${FILES.sink}-wal`, `${FILES.offsets}-wal`]) {
      cpSync(join(killed, name), join(directory, name), { recursive: true })
    }
    const whole = wal('sink')
    writeFileSync(walOf(directory, 'sink'), changed(whole, startOf(2) + 100))
    await daemon.start({ participantsUp: 1 })
    const list = await pledged(['participant', 'list', '--json', '--address', daemon.address])
    expect(`${list.stdout}${daemon.stderr}`).toMatch(/sink\.db-wal was changed: frame 2 was/)
    expect(readFileSync(walOf(directory, 'sink')).equals(whole)).toBe(false)
    expect(statSync(walOf(directory, 'sink')).size).toBe(whole.length)
    writeFileSync(walOf(directory, 'sink'), whole)
    await expect
      .poll(async () => (await pledged(['status', '--json', '--address', daemon.address])).stdout, {
        timeout: 60_000,
      })
      .toMatch(/"up": ?true.*"up": ?true/)
    await daemon.end('SIGTERM')
  })
})
