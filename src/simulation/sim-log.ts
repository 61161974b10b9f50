/** The log of one life of the coordinator: syncs take time and fail, look-ups are slow, the dead write nothing. */
import { PledgedError } from '../base/errors.ts'
import type { Log } from '../log/log.ts'
import { MemoryLog } from '../log/memory/index.ts'
import type { SimDisk } from './sim-disk.ts'
import type { Process } from './virtual-time.ts'
import type { World } from './world.ts'

const PARTY = 'log'

export function newLog(world: World, process: Process, disk: SimDisk): Log {
  const failureOfSync = () => {
    // Nothing of the batch was written.
    if (disk.isFull) return new PledgedError('LOG_UNWRITABLE', 'no space left on the device')
    if (world.fails('sync_failed', PARTY))
      return new PledgedError('LOG_UNWRITABLE', 'the disk failed to sync')
    return undefined
  }
  const log = new MemoryLog({
    disk,
    random: world.random,
    clock: process.clock,
    sync: (complete) => {
      const slow = world.fails('sync_slow', PARTY)
      const tookMs = slow ? world.random.between(10, 60) : world.random.between(0.2, 3)
      const failure = failureOfSync()
      process.after(tookMs, () => complete(failure))
    },
  })
  return mortal(world, process, disk, log)
}

/** What a dead process asked for does not happen, and what it waited for does not come. */
function mortal(world: World, process: Process, disk: SimDisk, log: MemoryLog): Log {
  // A slow look-up sees what was answered meanwhile, as the port demands.
  const looked = async <Found>(look: () => Promise<Found>): Promise<Found> => {
    await delayed(process, world.fails('lookup_slow', PARTY) ? world.random.between(1, 25) : 0)
    if (world.fails('lookup_failed', PARTY)) {
      throw new PledgedError('LOG_UNREADABLE', 'the disk failed to read')
    }
    return look()
  }
  return {
    open: async (onStage) => {
      disk.lock(process)
      disk.verify()
      return await log.open(onStage)
    },
    append: (records, done) => {
      if (process.alive) log.append(records, (failure) => (process.alive ? done(failure) : undefined))
    },
    findTransaction: (xid) => looked(() => log.findTransaction(xid)),
    findRequest: (caller, requestId) => looked(() => log.findRequest(caller, requestId)),
    listEnded: (query) => log.listEnded(query),
    expired: (endedBeforeMs) => log.expired(endedBeforeMs),
    forget: async (through) => {
      if (process.alive) await log.forget(through)
    },
    counters: () => log.counters(),
    close: () => log.close(),
  }
}

function delayed(process: Process, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    process.after(delayMs, resolve)
  })
}
