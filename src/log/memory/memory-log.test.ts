import { describe, expect, test } from 'vitest'
import { PledgedError } from '../../base/errors.ts'
import { appended, describeLog, refused, xidsOf } from '../conformance/index.ts'
import type { Log } from '../log.ts'
import { decision } from '../sample-records.ts'
import { MemoryDisk } from './memory-disk.ts'
import type { SyncHook } from './memory-log.ts'
import { MemoryLog } from './memory-log.ts'

const disks = new WeakMap<Log, MemoryDisk>()

function logOn(disk: MemoryDisk | undefined, sync?: SyncHook): MemoryLog {
  const place = disk ?? new MemoryDisk()
  const log = new MemoryLog({ disk: place, sync })
  disks.set(log, place)
  return log
}

describeLog('MemoryLog', {
  create: () => logOn(undefined),
  reopen: (log) => logOn(disks.get(log)),
  crash: (log) => {
    disks.get(log)?.crash()
    return logOn(disks.get(log))
  },
})

/** Syncs that complete when the test says so. */
function heldSyncs(): { sync: SyncHook; release(failure?: PledgedError): void; readonly waiting: number } {
  const held: ((failure?: PledgedError) => void)[] = []
  let isHolding = false
  return {
    // The fence of the opening passes.
    sync: (complete) => {
      if (isHolding) held.push(complete)
      else queueMicrotask(() => complete())
      isHolding = true
    },
    release: (failure) => held.shift()?.(failure),
    get waiting() {
      return held.length
    },
  }
}

describe('a memory disk', () => {
  test('one sync at a time, and what comes meanwhile shares the next', async () => {
    const syncs = heldSyncs()
    const log = logOn(undefined, syncs.sync)
    const xid = xidsOf(await log.open())
    const answers = [1, 2, 3, 4].map((sequence) => appended(log, decision(xid(sequence))))
    expect(syncs.waiting).toBe(1)
    syncs.release()
    await answers[0]
    expect(syncs.waiting).toBe(1)
    syncs.release()
    await Promise.all(answers)
    expect(log.counters()).toEqual({ forcedWrites: 2, records: 4 })
  })

  test('a loss of power takes what was not synced, and only the newest of it', async () => {
    for (const [keep, left] of [
      [0, 1],
      [1, 2],
    ] as const) {
      const disk = new MemoryDisk()
      const syncs = heldSyncs()
      const log = logOn(disk, syncs.sync)
      const xid = xidsOf(await log.open())
      const first = appended(log, decision(xid(1)))
      syncs.release()
      await first
      log.append([decision(xid(2))], () => expect.unreachable('it was never synced'))
      disk.crash(keep)
      expect((await logOn(disk).open()).unended).toHaveLength(left)
    }
  })

  test('R6: after a failed sync every later append fails, and the failed one may come back', async () => {
    const disk = new MemoryDisk()
    const syncs = heldSyncs()
    const log = logOn(disk, syncs.sync)
    const xid = xidsOf(await log.open())
    const full = new PledgedError('LOG_UNWRITABLE', 'the disk is full')
    const failures = [refused(log, decision(xid(1))), refused(log, decision(xid(2)))]
    syncs.release(full)
    expect(await Promise.all(failures)).toEqual([full, full])
    expect(await refused(log, decision(xid(3)))).toBe(full)
    expect((await logOn(disk).open()).unended.map((record) => record.xid)).toEqual([xid(1)])
  })

  test('a newer opening fences the older', async () => {
    const disk = new MemoryDisk()
    const syncs = heldSyncs()
    const older = logOn(disk, syncs.sync)
    const xid = xidsOf(await older.open())
    const underWay = refused(older, decision(xid(1)))
    const newer = logOn(disk)
    await newer.open()
    syncs.release()
    expect(await underWay).toMatchObject({ code: 'LOG_UNWRITABLE' })
    expect(await refused(older, decision(xid(2)))).toMatchObject({ code: 'LOG_UNWRITABLE' })
    await newer.close()
    const { unended } = await logOn(disk).open()
    expect(unended.map((record) => record.xid)).toEqual([xid(1)])
  })
})
