/**
 * Links and sessions within the process: for a coordinator embedded in an application, for tests and for the simulator.
 */
export { MemoryDialer, type MemoryDialerOptions } from './memory-dialer.ts'
export type { MemoryHost, MemoryHostSession } from './memory-link.ts'
export { memoryDial } from './memory-session.ts'
