/**
 * The daemon: a coordinator, which src/embedding puts together, and what only a process of its own has: the configuration,
 * participants at an address, log lines, probes, signals, an exit code.
 *
 * - `runDaemon` is `pledged serve`: it resolves with the process's exit code (0; 75 when a decision is left
 *   undelivered; 74 when the log failed), and rejects with a PledgedError when the daemon could not be started.
 * - `checkConfiguration` is `pledged serve --check-config`: it throws one PledgedError CONFIGURATION that lists
 *   every mistake with its path and line, or returns what the daemon would run with.
 * - `runParticipant` is `pledged participant serve`: a built-in participant as a process of its own; it resolves
 *   with 0 at a signal, and rejects with a PledgedError when the resource can't be served.
 * - `startDaemon` is the daemon without the process around it: no signals, no exit.
 *
 * Nothing here writes to standard output: the log lines (JSON) and the closing sentences go to standard error.
 */
export { type Configuration, type ConfiguredParticipant, checkConfiguration } from './configuration.ts'
export { resourceText } from './configuration-participants.ts'
export { type Daemon, startDaemon } from './daemon.ts'
export type { DaemonOptions, Environment } from './options.ts'
export type { ParticipantOptions } from './participant-options.ts'
export { runDaemon } from './run-daemon.ts'
export { runParticipant } from './run-participant.ts'
