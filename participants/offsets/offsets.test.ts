import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Participant, Vote, Xid } from '../../src/sdk/participant/index.ts'
import type { Database } from '../shared/files/database.ts'
import { defaultParticipantLimits as limits } from '../shared/files/limits.ts'
import { createPledgeParticipant } from '../shared/files/pledge-participant.ts'
import type { Subject } from '../testing/bench.ts'
import { describeFaults } from '../testing/fault-suite.ts'
import { bytes, closing, prepareRequest, sqliteError, temporaryFile, watched, xid } from '../testing/kit.ts'
import { describePledges } from '../testing/pledge-suite.ts'
import { claimOwnerEpoch, createOffsetsParticipant, listOffsets, readOffset } from './index.ts'
import { type OffsetsFileOptions, openOffsetsFile } from './offsets-file.ts'
import { offsetsResourceKind } from './offsets-resource.ts'

interface Entry {
  readonly topic?: string
  readonly partition?: number
  readonly from: number
  readonly to: number
}

function work(entries: readonly Entry[], ownerEpoch = 1): string {
  const advance = entries.map((entry) => ({ topic: 't', partition: 0, ...entry }))
  return JSON.stringify({ group: 'g', owner_epoch: ownerEpoch, advance })
}

const SUBJECT: Subject = {
  kind: 'offsets',
  seed: (file) => {
    claimOwnerEpoch({ file, group: 'g' })
  },
  resourceKind: (file, watch) =>
    offsetsResourceKind({ file, limits, openDatabase: (options) => watch(openOffsetsFile(options)) }),
  first: work([{ from: 0, to: 50 }]),
  second: work([{ from: 50, to: 100 }]),
  applied: (file) => readOffset({ file, group: 'g', topic: 't', partition: 0 }) / 50,
}

describe('the offsets participant', () => {
  describePledges(SUBJECT)
  describeFaults(SUBJECT)

  const open = (file = temporaryFile('offsets.db')): Participant =>
    closing(createOffsetsParticipant({ file }))
  const prepare = (
    participant: Participant,
    id: Xid,
    entries: readonly Entry[],
    ownerEpoch = 1,
  ): Promise<Vote> =>
    participant.prepare(prepareRequest(id, bytes(work(entries, ownerEpoch)), { timeoutMs: 1_000 }))

  describe('compare and set', () => {
    it('starts at 0, and votes no to another offset, with both', async () => {
      const participant = open()
      expect(await prepare(participant, xid(1), [{ from: 10, to: 20 }])).toEqual({
        vote: 'no',
        retryable: false,
        message: 'the offset of group "g", topic "t", partition 0 is 0, not 10',
      })
    })

    it('advances all positions of a branch, or none', async () => {
      const file = temporaryFile('offsets.db')
      const participant = open(file)
      await prepare(participant, xid(1), [
        { from: 0, to: 5 },
        { partition: 1, from: 0, to: 7 },
      ])
      await participant.commit(xid(1))
      const mixed = [
        { from: 5, to: 6 },
        { partition: 1, from: 0, to: 9 },
      ]
      expect(await prepare(participant, xid(2), mixed)).toMatchObject({ vote: 'no' })
      // The no vote has left no lock behind.
      expect(await prepare(participant, xid(3), [{ from: 5, to: 6 }])).toMatchObject({ vote: 'yes' })
      expect(listOffsets({ file, group: 'g' })).toEqual([
        { group: 'g', topic: 't', partition: 0, offset: 5 },
        { group: 'g', topic: 't', partition: 1, offset: 7 },
      ])
      expect(listOffsets({ file, group: 'another' })).toEqual([])
    })

    it('keeps offsets up to 2^53 - 1 exactly', async () => {
      const file = temporaryFile('offsets.db')
      const participant = open(file)
      await prepare(participant, xid(1), [{ from: 0, to: Number.MAX_SAFE_INTEGER }])
      await participant.commit(xid(1))
      expect(listOffsets({ file })).toMatchObject([{ offset: Number.MAX_SAFE_INTEGER }])
    })

    it('does not keep those of different keys waiting', async () => {
      const participant = open()
      const partitions = Array.from({ length: 5 }, (_, partition) => partition)
      for (const partition of partitions) {
        expect(await prepare(participant, xid(partition + 1), [{ partition, from: 0, to: 1 }])).toEqual({
          vote: 'yes',
        })
      }
      const first = await participant.listPrepared(2, '')
      const second = await participant.listPrepared(2, first.nextPageToken)
      const third = await participant.listPrepared(2, second.nextPageToken)
      expect([first, second, third].map((page) => page.branches.map((branch) => branch.xid))).toEqual([
        [xid(1), xid(2)],
        [xid(3), xid(4)],
        [xid(5)],
      ])
      expect(third.nextPageToken).toBe('')
    })

    it('says broken when an offset was edited while it was pledged, keeps the pledge, and ends it once mended', async () => {
      const file = temporaryFile('offsets.db')
      const participant = open(file)
      await prepare(participant, xid(1), [{ from: 0, to: 5 }])
      const database = openOffsetsFile({ file, busyTimeoutMs: 1_000 })
      database.exec("INSERT INTO offsets VALUES ('g', 't', 0, 3)")
      expect(await participant.commit(xid(1))).toMatchObject({ result: 'broken', evidence: 'no_witness' })
      expect((await participant.listPrepared(10, '')).branches).toHaveLength(1)
      database.exec('DELETE FROM offsets')
      database.close()
      expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
    })
  })

  describe('owner epochs', () => {
    it('fences the zombie once another has claimed the group', async () => {
      const file = temporaryFile('offsets.db')
      const participant = open(file)
      const zombie = claimOwnerEpoch({ file, group: 'g' })
      const owner = claimOwnerEpoch({ file, group: 'g' })
      expect([zombie, owner]).toEqual([1, 2])
      expect(await prepare(participant, xid(1), [{ from: 0, to: 1 }], zombie)).toEqual({
        vote: 'no',
        retryable: false,
        message: 'owner_epoch 1 of group "g" is over: 2 owns it now',
      })
      expect(await prepare(participant, xid(2), [{ from: 0, to: 1 }], owner)).toEqual({ vote: 'yes' })
    })

    it('still ends what the zombie had pledged', async () => {
      const file = temporaryFile('offsets.db')
      const participant = open(file)
      const zombie = claimOwnerEpoch({ file, group: 'g' })
      await prepare(participant, xid(1), [{ from: 0, to: 9 }], zombie)
      claimOwnerEpoch({ file, group: 'g' })
      expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
      expect(readOffset({ file, group: 'g', topic: 't', partition: 0 })).toBe(9)
    })

    it('raises the stored epoch to one that it accepts, also if that branch aborts', async () => {
      const file = temporaryFile('offsets.db')
      const participant = open(file)
      await prepare(participant, xid(1), [{ from: 0, to: 1 }], 7)
      await participant.abort(xid(1))
      expect(await prepare(participant, xid(2), [{ from: 0, to: 1 }], 6)).toMatchObject({ vote: 'no' })
      expect(claimOwnerEpoch({ file, group: 'g' })).toBe(8)
      expect(claimOwnerEpoch({ file, group: 'another' })).toBe(1)
    })

    it('issues each epoch once, to processes that ask at the same time', async () => {
      const file = temporaryFile('offsets.db')
      const script = join(import.meta.dirname, '../testing/claiming-process.ts')
      const claims = await Promise.all(
        Array.from({ length: 3 }, async () => {
          const child = fork(script, [file, '20'])
          const [epochs] = (await once(child, 'message')) as [number[]]
          return epochs
        }),
      )
      const issued = claims.flat().sort((left, right) => left - right)
      expect(issued).toEqual(Array.from({ length: 60 }, (_, index) => index + 1))
    })
  })

  describe('group commit', () => {
    it('forces one write for what is asked in one turn', async () => {
      let commits = 0
      const watch = { after: (sql: string) => void (sql === 'COMMIT' && (commits += 1)) }
      const file = temporaryFile('offsets.db')
      const resourceKind = offsetsResourceKind({
        file,
        limits,
        openDatabase: (options) => watched(openOffsetsFile(options), watch),
      })
      const participant = closing(createPledgeParticipant({ resourceKind, limits }))
      await participant.describe()
      commits = 0
      const ids = Array.from({ length: 64 }, (_, index) => index + 1)
      const votes = await Promise.all(
        ids.map((id) => prepare(participant, xid(id), [{ partition: id, from: id === 3 ? 1 : 0, to: 2 }])),
      )
      expect(commits).toBe(1)
      expect(votes.filter((voted) => voted.vote === 'yes')).toHaveLength(63)
      const endings = await Promise.all(ids.map((id) => participant.commit(xid(id))))
      expect(commits).toBe(2)
      expect(endings.filter((ending) => ending.result === 'done')).toHaveLength(63)
      expect(endings[2]).toMatchObject({ result: 'broken' })
    })

    it('does not pledge later what it has voted no to, because the batch failed in which it began to wait', async () => {
      let failing = false
      const watch = {
        before: (sql: string) => {
          if (failing && sql === 'COMMIT') throw sqliteError('SQLITE_FULL')
        },
      }
      const openDatabase = (options: OffsetsFileOptions): Database => watched(openOffsetsFile(options), watch)
      const resourceKind = offsetsResourceKind({ file: temporaryFile('offsets.db'), limits, openDatabase })
      const participant = closing(createPledgeParticipant({ resourceKind, limits }))
      await prepare(participant, xid(5), [{ from: 0, to: 1 }])
      failing = true
      expect(await prepare(participant, xid(4), [{ from: 0, to: 1 }])).toMatchObject({
        vote: 'no',
        retryable: true,
      })
      failing = false
      await participant.abort(xid(5))
      expect((await participant.listPrepared(10, '')).branches).toEqual([])
    })

    it('waits once for the write lock of another process, not once for each that is pending', async () => {
      const file = temporaryFile('offsets.db')
      let begun = 0
      const watch = { before: (sql: string) => void (sql === 'BEGIN IMMEDIATE' && (begun += 1)) }
      const openDatabase = (options: OffsetsFileOptions): Database => watched(openOffsetsFile(options), watch)
      const few = { ...limits, busyTimeoutMs: 20, batchOperationsMax: 1 }
      const resourceKind = offsetsResourceKind({ file, limits: few, openDatabase })
      const participant = closing(createPledgeParticipant({ resourceKind, limits: few }))
      await participant.describe()
      const other = openOffsetsFile({ file, busyTimeoutMs: 20 })
      other.exec('BEGIN IMMEDIATE')
      begun = 0
      const answers = await Promise.all([
        prepare(participant, xid(1), [{ from: 0, to: 1 }]),
        participant.abort(xid(2)),
        participant.commit(xid(3)),
        participant.listPrepared(10, ''),
      ])
      expect(begun).toBe(1)
      expect(answers).toMatchObject([
        { vote: 'no', retryable: true },
        { result: 'unknown' },
        { result: 'unknown' },
        { branches: [] },
      ])
      other.close()
      expect(await participant.abort(xid(2))).toMatchObject({ result: 'done' })
    })

    it('lets a forget ride along', async () => {
      const participant = open()
      await participant.abort(xid(1))
      const forgotten = participant.forget?.(xid(1))
      await participant.abort(xid(2))
      await forgotten
      expect(await participant.evidence?.(xid(1))).toBe('no_witness')
    })
  })

  it('never throws at prepare, whatever the work', async () => {
    const participant = open()
    const loose = fc.record(
      {
        group: fc.anything(),
        owner_epoch: fc.anything(),
        advance: fc.oneof(fc.anything(), fc.array(fc.anything())),
      },
      { requiredKeys: [] },
    )
    const anyWork = fc.oneof(
      fc.uint8Array(),
      fc.json().map(bytes),
      loose.map((value) =>
        bytes(
          JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? 1e300 : inner)) ?? '',
        ),
      ),
    )
    await fc.assert(
      fc.asyncProperty(anyWork, async (anyBytes) => {
        const voted = await participant.prepare(prepareRequest(xid(1), anyBytes))
        expect(voted).toMatchObject({
          vote: 'no',
          message: expect.stringMatching(/^malformed work: ./) as string,
        })
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    [{ group: 'g', owner_epoch: 1 }, 'advance is missing; it must be an array'],
    [{ group: '', owner_epoch: 1, advance: [] }, 'advance has 0 entries; it may have 1 to 10000'],
    [
      { group: 1, owner_epoch: 1, advance: [{ topic: 't', partition: 0, from: 0, to: 1 }] },
      'group is 1; it must be a string',
    ],
    [
      { group: 'g', owner_epoch: 1, advance: [{ topic: 't', partition: -1, from: 0, to: 1 }] },
      'advance[0].partition is -1; it must be an integer from 0 to 2147483647',
    ],
    [
      { group: 'g', owner_epoch: 1, advance: [{ topic: 't', partition: 0, from: 5, to: 4 }] },
      'advance[0].to is 4; it must be an integer from 5 to 9007199254740991',
    ],
    [
      { group: 'g', owner_epoch: 1, advance: [{ topic: 't', partition: 0, from: 0.5, to: 4 }] },
      'advance[0].from is 0.5; it must be an integer from 0 to 9007199254740991',
    ],
    [
      {
        group: 'g',
        owner_epoch: 1,
        advance: [
          { topic: 't', partition: 0, from: 0, to: 4 },
          { topic: 't', partition: 0, from: 4, to: 5 },
        ],
      },
      'advance[1] names topic "t" partition 0 again',
    ],
    [
      { group: 'g', owner_epoch: 1, advance: [{ topic: 't', partition: 0, from: 0, to: 4, upto: 1 }] },
      'advance[0] has an unknown key "upto"; it may have topic, partition, from, to',
    ],
  ])('says which field is wrong: %j', async (wrong, reason) => {
    const voted = await open().prepare(prepareRequest(xid(1), bytes(wrong)))
    expect(voted).toEqual({ vote: 'no', retryable: false, message: `malformed work: ${reason}` })
  })

  it('says what is wrong with its file', async () => {
    const missing = temporaryFile('offsets.db')
    expect(() => readOffset({ file: missing, group: 'g', topic: 't', partition: 0 })).toThrow(
      /there is no offsets file/,
    )
    await expect(open(`${missing}/nowhere/offsets.db`).describe()).rejects.toMatchObject({
      code: 'CONFIGURATION',
    })
    writeFileSync(missing, 'not a database '.repeat(100))
    await expect(open(missing).describe()).rejects.toThrow(/not a SQLite database/)
  })
})
