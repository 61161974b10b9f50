/**
 * The log port in memory, for tests, the simulator, and an embedded coordinator that may forget everything.
 * A `MemoryDisk` outlives the logs that open it; `crash` on it is what a loss of power does.
 */
export { MemoryDisk } from './memory-disk.ts'
export type { SyncHook } from './memory-log.ts'
export { MemoryLog } from './memory-log.ts'
