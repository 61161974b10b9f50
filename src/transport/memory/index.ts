/** Links within the process: for a coordinator embedded in an application, for tests and for the simulator. */
export { MemoryDialer, type MemoryDialerOptions } from './memory-dialer.ts'
export { type MemoryHost, type MemoryHostSession, MemoryLink, type MemoryLinkOptions } from './memory-link.ts'
