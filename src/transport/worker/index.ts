/**
 * Links to participants in worker threads of the daemon: a database driver that blocks its thread then blocks
 * only its own participant. The thread's end is the participant SDK's `servePort`; what the two say is in
 * protocol/port-messages.ts.
 */
export { WorkerDialer } from './worker-dialer.ts'
