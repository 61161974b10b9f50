/**
 * `pledged/coordinator`: the coordinator in one's own process, with the same guarantees and the same log as the daemon's.
 *
 * ```ts
 * await using coordinator = await openCoordinator({
 *   dataDirectory: './pledged-data',
 *   participants: { sink: { kind: 'sqlite', file: './sink.db' }, queue: new MyParticipant() },
 * })
 * const { outcome } = await coordinator.execute([{ participant: 'sink', work: { statements: [...] } }])
 * ```
 *
 * What is decided is on disk before anybody is told, and a process that is killed goes on from its log when it opens the same
 * directory again: so does the daemon, given that directory, and the other way round. One at a time has it open (LOG_IN_USE).
 */
export type { Drained } from './drained.ts'
export type { EmbeddedCoordinator } from './embedded-coordinator.ts'
export type { EmbeddedLogger } from './embedded-logger.ts'
export { type OpenCoordinatorOptions, openCoordinator } from './open-coordinator.ts'
export type { EmbeddedParticipant } from './participants.ts'
