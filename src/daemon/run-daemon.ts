/** `pledged serve`: the daemon as a process, from its configuration to its exit code. */
import { messageOf, type PledgedError } from '../base/errors.ts'
import { armCrashPoints, armOpeningCrashPoint } from '../embedding/armed-crash-points.ts'
import { type Configuration, checkConfiguration } from './configuration.ts'
import { type Daemon, type DaemonDrain, startDaemon } from './daemon.ts'
import { createLogger, type Logger } from './logger.ts'
import type { DaemonOptions, Environment } from './options.ts'
import { say } from './say.ts'
import { listenToSignals, type Signals } from './signals.ts'

const EXIT_DONE = 0
const EXIT_BUG = 70
const EXIT_LOG = 74
const EXIT_UNDELIVERED = 75

/** Who started the daemon, where that isn't a person or a service manager. */
export interface Supervision {
  /** In the place of the process's own signals. */
  readonly listen: (second: () => void) => Signals
  /** Called once, when requests are taken on. */
  readonly started: (daemon: Daemon, configuration: Configuration) => void
  /** A drain that was complete isn't told. */
  readonly quiet: boolean
}

/**
 * Resolves with the exit code when the daemon has ended: by a signal, after a drain; or by itself, when its log
 * failed, so that whatever supervises it starts it again. A second signal ends the process at once.
 */
export async function runDaemon(
  options: DaemonOptions,
  env: Environment = process.env,
  supervision?: Supervision,
): Promise<number> {
  const configuration = checkConfiguration(options, env)
  const crashPoints = armCrashPoints(env)
  const diesAtStage = armOpeningCrashPoint(env)
  const logger = createLogger(configuration.logLevel)
  for (const warning of configuration.warnings) logger.warn(warning)
  const signals = (supervision?.listen ?? listenToSignals)(() => {
    logger.warn('a second signal: the daemon ends at once')
    say(`pledged ended before the drain did: keep the data directory ${configuration.dataDirectory}`)
    process.exit(EXIT_UNDELIVERED)
  })
  const forgetBugs = reportBugs(logger)
  try {
    const logFaults = diesAtStage === undefined ? undefined : { diesAtStage }
    const daemon = await startDaemon(configuration, { crashPoints, logger, logFaults })
    supervision?.started(daemon, configuration)
    const quiet = supervision?.quiet === true
    return await runUntilEnd(daemon, { signals, logger, quiet, ...configuration })
  } finally {
    signals.close()
    forgetBugs()
  }
}

interface Running {
  readonly signals: Signals
  readonly logger: Logger
  readonly quiet: boolean
  readonly dataDirectory: string
  readonly limits: { readonly drainTimeoutMs: number }
}

async function runUntilEnd(daemon: Daemon, running: Running): Promise<number> {
  const { signals, logger, quiet, dataDirectory, limits } = running
  const failure = await Promise.race([signals.first, daemon.failed])
  if (failure !== undefined) {
    // R6: requests are refused with the reason, questions answered; for as long as a drain may take, then the
    // restart that alone can mend it.
    await signals.orAfter(limits.drainTimeoutMs)
    await daemon.stop()
    say(logFailedSentence(failure, dataDirectory))
    return EXIT_LOG
  }
  const drained = await daemon.drain()
  const lateFailure = daemon.inspection.status().logFailure
  await daemon.stop()
  logger.info('stopped')
  if (lateFailure !== undefined) {
    say(logFailedSentence(lateFailure, dataDirectory))
    return EXIT_LOG
  }
  if (!quiet || !isDelivered(drained)) say(drainedSentence(drained, dataDirectory))
  return isDelivered(drained) ? EXIT_DONE : EXIT_UNDELIVERED
}

function isDelivered({ undelivered, inDoubt }: DaemonDrain): boolean {
  return undelivered === 0 && inDoubt === 0
}

/** Whether the volume may be deleted: the one thing that whoever stopped the daemon has to know. */
export function drainedSentence(drained: DaemonDrain, dataDirectory: string): string {
  const { undelivered, inDoubt, owing, away } = drained
  if (!isDelivered(drained)) {
    const count = Math.max(undelivered, inDoubt)
    const decisions = count === 1 ? '1 decision is' : `${count} decisions are`
    return `${decisions} still undelivered (${owing.join(', ')}): keep the data directory ${dataDirectory} and start the daemon again; they are delivered then`
  }
  if (away.length > 0) {
    return `every decision was delivered to those who are here, but ${away.join(', ')} may hold branches that only this log can end: keep the data directory ${dataDirectory} until they were back`
  }
  return `every decision was delivered: nothing waits for the data directory ${dataDirectory}, it may be deleted (with it goes what it knows of past requests)`
}

function logFailedSentence(failure: PledgedError, dataDirectory: string): string {
  return `the log failed: ${failure.message}; keep the data directory ${dataDirectory} and start the daemon again: it finds out there what was decided`
}

/** An impossible state must end the process: the log knows better than a memory that went wrong. */
function reportBugs(logger: Logger): () => void {
  const report = (error: unknown): void => {
    logger.fatal({ error }, `a bug in Pledged: ${messageOf(error)}`)
    say(`pledged met a bug of its own and ends: ${messageOf(error)}; start it again, it goes on from its log`)
    process.exit(EXIT_BUG)
  }
  process.on('uncaughtException', report)
  return () => process.off('uncaughtException', report)
}
