/** What every participant over the pledge tables has to survive, run against each of them. */
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import type { Epoch, LogId } from '../../src/sdk/participant/index.ts'
import type { Database } from '../shared/files/database.ts'
import { defaultParticipantLimits as limits } from '../shared/files/limits.ts'
import { createPledgeParticipant } from '../shared/files/pledge-participant.ts'
import { type Bench, benchOf, type Subject, YES } from './bench.ts'
import { KILL_MOMENTS, runUntilKilled, sqliteError, type Watch, xid } from './kit.ts'

export function describeFaults(subject: Subject): void {
  const bench = benchOf(subject)
  describe('kill -9 (I4)', () => {
    describeKills(bench)
  })
  describe('a database that fails', () => {
    describeFailures(bench)
    describeReopening(bench)
  })
  describe('opening (R10, R16)', () => {
    describeOpening(bench)
  })
}

function describeKills({ seeded, open, prepare, heldBy, subject }: Bench): void {
  it.each(KILL_MOMENTS)('prepare, killed %s: prepared wholly or not at all', async (moment) => {
    const file = seeded()
    runUntilKilled({ kind: subject.kind, file, verb: 'prepare', xid: xid(1), work: subject.first, moment })
    const participant = open(file)
    const isPrepared = moment !== 'before COMMIT'
    expect(await heldBy(participant)).toEqual(isPrepared ? [xid(1)] : [])
    expect(await prepare(participant, xid(1))).toEqual(YES)
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done_before' })
    expect(subject.applied(file)).toBe(1)
  })

  it.each(KILL_MOMENTS)('commit, killed %s: applied once', async (moment) => {
    const file = seeded()
    const first = open(file)
    await prepare(first, xid(1))
    await first.close()
    runUntilKilled({ kind: subject.kind, file, verb: 'commit', xid: xid(1), work: '', moment })
    const isCommitted = moment !== 'before COMMIT'
    expect(subject.applied(file)).toBe(isCommitted ? 1 : 0)
    const second = open(file)
    expect(await heldBy(second)).toEqual(isCommitted ? [] : [xid(1)])
    expect(await second.commit(xid(1))).toMatchObject({ result: isCommitted ? 'done_before' : 'done' })
    expect(subject.applied(file)).toBe(1)
  })

  it.each(KILL_MOMENTS)('abort, killed %s: never applied, and a late prepare is refused', async (moment) => {
    const file = seeded()
    const first = open(file)
    await prepare(first, xid(1))
    await first.close()
    runUntilKilled({ kind: subject.kind, file, verb: 'abort', xid: xid(1), work: '', moment })
    const second = open(file)
    const isAborted = moment !== 'before COMMIT'
    expect(await second.abort(xid(1))).toMatchObject({ result: isAborted ? 'done_before' : 'done' })
    expect(await prepare(second, xid(1))).toMatchObject({ vote: 'no' })
    expect(subject.applied(file)).toBe(0)
  })
}

function describeFailures({ seeded, open, prepare, heldBy, subject }: Bench): void {
  it.each(['SQLITE_FULL', 'SQLITE_IOERR_FSYNC', 'SQLITE_BUSY'])(
    'tells nobody of success when COMMIT fails: %s',
    async (code) => {
      const file = seeded()
      let failing = false
      const watch: Watch = {
        before: (sql) => {
          if (failing && sql === 'COMMIT') throw sqliteError(code)
        },
      }
      const participant = open(file, watch)
      await participant.describe()
      failing = true
      expect(await prepare(participant, xid(1))).toMatchObject({ vote: 'no', retryable: true })
      failing = false
      expect(await heldBy(participant)).toEqual([])
      expect(await prepare(participant, xid(1))).toEqual(YES)
      failing = true
      expect(await participant.commit(xid(1))).toMatchObject({ result: 'unknown', evidence: 'none' })
      expect(await participant.abort(xid(2))).toMatchObject({ result: 'unknown', evidence: 'none' })
      failing = false
      expect(subject.applied(file)).toBe(0)
      expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
      expect(subject.applied(file)).toBe(1)
    },
  )

  it('finds a pledge whose COMMIT failed after it had reached the disk', async () => {
    const file = seeded()
    let failing = false
    const watch: Watch = {
      after: (sql) => {
        if (failing && sql === 'COMMIT') throw sqliteError('SQLITE_IOERR_FSYNC')
      },
    }
    const participant = open(file, watch)
    await participant.describe()
    failing = true
    expect(await prepare(participant, xid(1))).toMatchObject({ vote: 'no' })
    failing = false
    expect(await heldBy(participant)).toEqual([xid(1)])
    failing = true
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'unknown' })
    failing = false
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done_before' })
    expect(subject.applied(file)).toBe(1)
  })
}

function describeReopening({ seeded, open, prepare }: Bench): void {
  it.each([
    ['SQLITE_IOERR_FSYNC', 2],
    ['SQLITE_BUSY', 1],
  ])(
    'is read anew by another connection only after an error of unknown effect: %s',
    async (code, openings) => {
      let failing = false
      let opened = 0
      const watch: Watch = {
        before: (sql) => {
          if (sql.startsWith('CREATE TABLE IF NOT EXISTS pledged_meta')) opened += 1
          if (failing && sql === 'COMMIT') throw sqliteError(code)
        },
      }
      const participant = open(seeded(), watch)
      await participant.describe()
      failing = true
      await participant.abort(xid(1))
      failing = false
      expect(await participant.abort(xid(1))).toMatchObject({ result: 'done' })
      expect(opened).toBe(openings)
    },
  )

  it('can not be opened: says why, and recovers when it can', async () => {
    let broken = true
    const watch: Watch = {
      before: () => {
        if (broken) throw sqliteError('SQLITE_CANTOPEN')
      },
    }
    const participant = open(seeded(), watch)
    await expect(participant.describe()).rejects.toThrow(/can not be opened.*directory exists/)
    expect(await prepare(participant, xid(1))).toMatchObject({ vote: 'no', retryable: true })
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'unknown' })
    broken = false
    expect(await prepare(participant, xid(1))).toEqual(YES)
  })
}

function describeOpening({ seeded, open, prepare, heldBy, subject }: Bench): void {
  it('gets the table of logs where an older version made the file, pledge and all', async () => {
    const file = seeded()
    const first = open(file)
    await prepare(first, xid(1))
    await first.close()
    const older = new DatabaseSync(file)
    older.exec('DROP TABLE pledged_logs')
    older.close()
    const second = open(file)
    await second.admit?.({ logId: 'k3f9qa7m2xw4' as LogId, epoch: '7-q3f9' as Epoch })
    expect(await heldBy(second)).toEqual([xid(1)])
    expect(await second.commit(xid(1))).toMatchObject({ result: 'done' })
    expect(subject.applied(file)).toBe(1)
  })

  it('keeps its resource id, and has another in another file', async () => {
    const file = seeded()
    const first = open(file)
    const description = await first.describe()
    expect(description).toMatchObject({ kind: subject.kind, keepsWitnesses: true })
    await first.close()
    expect(await open(file).describe()).toEqual(description)
    expect((await open(seeded()).describe()).resourceId).not.toBe(description.resourceId)
  })

  it('is at synchronous=FULL on the first opening and on every other', async () => {
    const file = seeded()
    for (let opening = 0; opening < 2; opening += 1) {
      const databases: Database[] = []
      const resourceKind = subject.resourceKind(file, (database) => {
        databases.push(database)
        return database
      })
      const participant = createPledgeParticipant({ resourceKind, limits })
      await participant.describe()
      expect(databases).toHaveLength(1)
      expect(databases[0]?.get('PRAGMA synchronous')).toEqual({ synchronous: 2 })
      expect(databases[0]?.get('PRAGMA journal_mode')).toEqual({ journal_mode: 'wal' })
      databases[0]?.exec('PRAGMA synchronous = NORMAL')
      await expect(participant.describe()).rejects.toThrow(/can not pledge/)
      await participant.close()
    }
  })

  it('refuses a database that has no journal on disk', async () => {
    await expect(open(':memory:').describe()).rejects.toThrow(/journal mode memory/)
  })
}
