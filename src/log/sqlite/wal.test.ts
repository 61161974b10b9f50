/**
 * R7's raw look at the WAL, on the files of a real log: the file of a killed process, cut and changed wherever a disk
 * could, and opened.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import type { PledgedError } from '../../base/errors.ts'
import type { Xid } from '../../base/ids.ts'
import { xidsOf } from '../conformance/index.ts'
import { decision, end } from '../sample-records.ts'
import { logFiles } from './files.ts'
import { crashedCopy, openIn, place, write } from './test-places.ts'
import { verifyLog } from './verify.ts'

const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
const FRAME_BYTES = FRAME_HEADER_BYTES + 4_096

interface Killed {
  readonly directory: string
  readonly wal: Buffer
  /** The length of the WAL when the append of each decision was answered. */
  readonly answered: ReadonlyMap<Xid, number>
}

/** Batches of one decision, and of so many that they don't fit into one page. */
function killedLog(batches: readonly number[], beforehand: readonly number[] = []): Killed {
  const directory = place()
  const { engine, opened } = openIn(directory)
  const xid = xidsOf(opened)
  const answered = new Map<Xid, number>()
  let sequence = 0
  const append = (size: number): readonly Xid[] => {
    const xids = Array.from({ length: size }, () => xid((sequence += 1)))
    write(engine, ...xids.map((one) => decision(one)))
    return xids
  }
  for (const size of beforehand) for (const one of append(size)) write(engine, end(one))
  if (beforehand.length > 0) engine.checkpointIfDue()
  for (const size of batches) {
    const xids = append(size)
    const bytes = usedBytes(readFileSync(logFiles(directory).wal))
    for (const one of xids) answered.set(one, bytes)
  }
  const copy = crashedCopy(directory)
  engine.close()
  return { directory: copy, wal: readFileSync(logFiles(copy).wal), answered }
}

/** Up to the last frame that has the header's salts: behind it there may be frames from before. */
function usedBytes(wal: Buffer): number {
  const salts = wal.subarray(16, 24)
  let bytes = HEADER_BYTES
  while (bytes + FRAME_BYTES <= wal.length && wal.subarray(bytes + 8, bytes + 16).equals(salts)) {
    bytes += FRAME_BYTES
  }
  return bytes
}

/** The numbers of the frames that end a transaction, counted from 1. */
function commits(wal: Buffer): number[] {
  const found: number[] = []
  const frames = (usedBytes(wal) - HEADER_BYTES) / FRAME_BYTES
  for (let frame = 1; frame <= frames; frame += 1) {
    if (wal.readUInt32BE(startOf(frame) + 4) !== 0) found.push(frame)
  }
  return found
}

function startOf(frame: number): number {
  return HEADER_BYTES + (frame - 1) * FRAME_BYTES
}

function withWal({ directory }: Killed, wal: Buffer): string {
  const copy = place()
  cpSync(directory, copy, { recursive: true })
  writeFileSync(logFiles(copy).wal, wal)
  return copy
}

function changed(wal: Buffer, at: number, by = 0x41): Buffer {
  const bytes = Buffer.from(wal)
  bytes[at] = (bytes[at] ?? 0) ^ by
  return bytes
}

/** What an opening finds, or the error that refuses it. */
function tryOpen(directory: string): ReadonlySet<Xid> | PledgedError {
  try {
    const { engine, opened } = openIn(directory)
    engine.abandon()
    return new Set(opened.unended.map(({ xid }) => xid))
  } catch (error) {
    return error as PledgedError
  }
}

function opens(directory: string): ReadonlySet<Xid> {
  const found = tryOpen(directory)
  if (!(found instanceof Set)) throw found
  return found
}

function refusal(directory: string): string {
  const found = tryOpen(directory)
  if (found instanceof Set) return `opened, with ${found.size} decisions`
  const { code, message } = found as PledgedError
  return `${code}: ${message}`
}

/** In every field of the frame's header, and in its page. */
const PLACES_IN_FRAME = [0, 3, 4, 7, 8, 12, 16, 19, 20, 23, 24, 25, 700, 2_071, FRAME_BYTES - 1]

describe('a byte that was changed', () => {
  const log = (): Killed => killedLog([1, 1, 30, 1, 1])

  test('in any frame but the last transaction is damage, wherever in the frame', () => {
    const killed = log()
    const last = commits(killed.wal).at(-2) ?? 0
    expect(last).toBeGreaterThan(4)
    for (let frame = 1; frame <= last; frame += 1) {
      for (const offset of PLACES_IN_FRAME) {
        const wal = changed(killed.wal, startOf(frame) + offset)
        expect({ frame, offset, said: refusal(withWal(killed, wal)) }).toEqual({
          frame,
          offset,
          said: expect.stringMatching(
            new RegExp(
              `^LOG_DAMAGED: .*pledged\\.db-wal was changed: frame ${frame} was, and frame \\d+ behind it`,
            ),
          ),
        })
      }
    }
  })

  test('in the size of the database, so that a frame no longer ends a transaction, is damage', () => {
    const killed = log()
    const all = commits(killed.wal)
    for (const frame of all.slice(0, -1)) {
      const wal = Buffer.from(killed.wal)
      wal.writeUInt32BE(0, startOf(frame) + 4)
      expect(refusal(withWal(killed, wal)), `frame ${frame}`).toMatch(/LOG_DAMAGED: .* was changed/)
    }
  })

  test('in the header is damage', () => {
    const killed = log()
    for (let at = 0; at < HEADER_BYTES; at += 1) {
      expect(refusal(withWal(killed, changed(killed.wal, at, 1))), `byte ${at}`).toMatch(
        /LOG_DAMAGED: .*pledged\.db-wal was changed: its header was/,
      )
    }
  })

  test('in the last transaction is taken for a torn write, and all before is there', () => {
    const killed = log()
    const all = commits(killed.wal)
    const from = (all.at(-2) ?? 0) + 1
    const kept = [...killed.answered].filter(([, bytes]) => bytes < startOf(from + 1))
    for (let frame = from; frame <= (all.at(-1) ?? 0); frame += 1) {
      for (const offset of PLACES_IN_FRAME) {
        const found = opens(withWal(killed, changed(killed.wal, startOf(frame) + offset)))
        expect(kept.filter(([xid]) => !found.has(xid))).toEqual([])
      }
    }
  })

  test('is found by verify, and a refused log is left as it was', () => {
    const killed = log()
    const wal = changed(killed.wal, startOf(2) + 100)
    const directory = withWal(killed, wal)
    const before = { main: readFileSync(logFiles(directory).main), wal }
    expect(verifyLog(directory).problems.join()).toMatch(/pledged\.db-wal was changed: frame 2 was/)
    for (const _ of ['first', 'second']) expect(refusal(directory)).toMatch(/was changed: frame 2 was/)
    expect(readFileSync(logFiles(directory).wal).equals(before.wal)).toBe(true)
    expect(readFileSync(logFiles(directory).main).equals(before.main)).toBe(true)
  })
})

describe('what a power cut leaves', () => {
  test('every prefix of the WAL opens with all that was answered by then', () => {
    const killed = killedLog([1, 1, 30, 1, 1])
    const used = usedBytes(killed.wal)
    const [opening = 0] = commits(killed.wal)
    const lengths = new Set<number>()
    for (let at = startOf(opening + 1); at < used; at += FRAME_BYTES) {
      for (const more of [0, 1, 7, FRAME_HEADER_BYTES, 2_000, FRAME_BYTES - 1]) lengths.add(at + more)
    }
    lengths.add(used)
    for (const length of lengths) {
      const directory = withWal(killed, killed.wal.subarray(0, length))
      const found = opens(directory)
      const expected = [...killed.answered].filter(([, bytes]) => bytes <= length).map(([xid]) => xid)
      expect({ length, missing: expected.filter((xid) => !found.has(xid)) }).toEqual({ length, missing: [] })
    }
  })

  test('less than what the opening had written is refused', () => {
    const killed = killedLog([1, 1])
    for (const length of [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 500]) {
      const directory = withWal(killed, killed.wal.subarray(0, length))
      expect(refusal(directory), `${length} bytes`).toMatch(/LOG_DAMAGED: .*pledged\.db-wal is empty/)
    }
  })

  test('a last transaction whose sectors were written in another order opens', () => {
    const killed = killedLog([1, 1, 40])
    const all = commits(killed.wal)
    const from = (all.at(-2) ?? 0) + 1
    const to = all.at(-1) ?? 0
    expect(to - from).toBeGreaterThan(2)
    const before = [...killed.answered].filter(([, bytes]) => bytes <= startOf(from))
    for (let frame = from; frame <= to; frame += 1) {
      const wal = Buffer.from(killed.wal)
      wal.fill(0, startOf(frame), startOf(frame + 1))
      const found = opens(withWal(killed, wal))
      expect(before.filter(([xid]) => !found.has(xid))).toEqual([])
    }
  })

  test('frames from before the WAL was begun anew are no damage', () => {
    const killed = killedLog(
      [1, 1],
      Array.from({ length: 12 }, () => 3),
    )
    const all = commits(killed.wal)
    expect(startOf((all.at(-1) ?? 0) + 3)).toBeLessThan(killed.wal.length)
    expect([...opens(killed.directory)].sort()).toEqual([...killed.answered.keys()].sort())
    const first = changed(killed.wal, startOf(1) + 100)
    expect(refusal(withWal(killed, first))).toMatch(/was changed: frame 1 was/)
  })

  test('a shorter transaction written over a torn one, and killed, opens', () => {
    const killed = killedLog([1, 1, 40])
    const from = (commits(killed.wal).at(-2) ?? 0) + 1
    const torn = changed(killed.wal, startOf(from) + 50)
    const directory = withWal(killed, torn)
    const database = new Database(logFiles(directory).main)
    database.pragma('locking_mode = EXCLUSIVE')
    // A page that is written as it was is written nevertheless.
    database.exec(`BEGIN; UPDATE meta SET body = 'x' || body; UPDATE meta SET body = substr(body, 2); COMMIT`)
    const copy = crashedCopy(directory)
    database.close()
    const bytes = readFileSync(logFiles(copy).wal)
    expect(bytes.equals(torn)).toBe(false)
    expect(commits(bytes).filter((frame) => frame >= from).length).toBeGreaterThan(1)
    expect(opens(copy).size).toBe(2)
  })
})
