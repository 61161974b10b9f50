/**
 * The daemon without the process around it. `startDaemon` opens the log, replays it, brings up the configured participants,
 * and only then listens: whoever can connect is served. A start that fails puts away all that it had opened.
 */

import type { CrashPoints } from '../base/crash-points.ts'
import { messageOf, type PledgedError } from '../base/errors.ts'
import { systemClock, systemTimers } from '../base/ports.ts'
import type { CoordinatorInspection } from '../coordinator/views.ts'
import { Assembly } from '../embedding/assembly.ts'
import { packageVersion } from '../embedding/build-info.ts'
import type { Drained } from '../embedding/drained.ts'
import { Reporter } from '../embedding/reporter.ts'
import type { SqliteLogFaults } from '../log/sqlite/index.ts'
import type { Configuration } from './configuration.ts'
import { dialersOf } from './configured-participants.ts'
import { type Guard, guardOf } from './guard.ts'
import { createLogger, type Logger } from './logger.ts'
import { type Probes, serveProbes } from './probes.ts'
import { formatAddress } from './values.ts'

export interface StartOptions {
  readonly crashPoints?: CrashPoints | undefined
  readonly logger?: Logger | undefined
  /** Faults on purpose, for tests. */
  readonly logFaults?: SqliteLogFaults | undefined
}

export type DaemonDrain = Drained

export interface Daemon {
  /** As a client names it, with the port that was bound. */
  readonly grpcAddress: string
  readonly httpAddress: string
  readonly inspection: CoordinatorInspection
  /** Resolves if the log fails: nothing is decided from then on. */
  readonly failed: Promise<PledgedError>
  /** Takes nothing new, and lets what is under way end, within `limits.drainTimeoutMs`. */
  drain(): Promise<DaemonDrain>
  /** Ends at once what can be ended; what is undelivered is delivered after the next start. */
  stop(): Promise<void>
}

/** Rejects with CONFIGURATION, LOG_IN_USE, LOG_DAMAGED or LOG_UNREADABLE. */
export async function startDaemon(configuration: Configuration, options: StartOptions = {}): Promise<Daemon> {
  const daemon = new RunningDaemon(configuration, options)
  try {
    await daemon.start()
    return daemon
  } catch (error) {
    await daemon.stop()
    throw error
  }
}

class RunningDaemon implements Daemon {
  readonly #configuration: Configuration
  readonly #logger: Logger
  readonly #assembly: Assembly
  #probes: Probes | undefined
  #guard: Guard | undefined
  #stopping: Promise<void> | undefined

  constructor(configuration: Configuration, options: StartOptions) {
    const { limits, participants, dataDirectory } = configuration
    this.#configuration = configuration
    this.#logger = options.logger ?? createLogger(configuration.logLevel)
    this.#assembly = new Assembly({
      dataDirectory,
      limits,
      dialers: dialersOf({ participants, limits, timers: systemTimers }),
      reporter: new Reporter({ logger: this.#logger, clock: systemClock, timers: systemTimers }),
      crashPoints: options.crashPoints,
      logFaults: options.logFaults,
    })
  }

  async start(): Promise<void> {
    await this.#assembly.start()
    await this.#listen()
    this.#tellStarted()
  }

  get grpcAddress(): string {
    return this.#assembly.address ?? formatAddress(this.#configuration.listen)
  }

  get httpAddress(): string {
    return this.#probes?.address ?? formatAddress(this.#configuration.httpListen)
  }

  get inspection(): CoordinatorInspection {
    return this.#assembly.coordinator
  }

  get failed(): Promise<PledgedError> {
    return this.#assembly.failed
  }

  async drain(): Promise<DaemonDrain> {
    const { drainTimeoutMs } = this.#configuration.limits
    this.#logger.info({ timeout_ms: drainTimeoutMs }, 'draining: new transactions are refused')
    const drained = await this.#assembly.drain(drainTimeoutMs)
    const { inDoubt, ...report } = drained
    this.#logger.info({ ...report, in_doubt: inDoubt }, 'drained')
    return drained
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    await this.#assembly.stop()
    this.#guard?.close()
    try {
      await this.#probes?.close()
    } catch (error) {
      this.#logger.error({ reason: messageOf(error) }, 'the probes did not close in order')
    }
  }

  async #listen(): Promise<void> {
    const { listen, httpListen, security } = this.#configuration
    this.#probes = await serveProbes({
      address: httpListen,
      refusal: () => this.#assembly.refusal()?.message,
    })
    this.#guard = guardOf(security, this.#logger)
    const { credentials, authentication } = this.#guard
    const crowded = (reason: string): void => this.#logger.warn({ reason }, 'there are many connections')
    await this.#assembly.serve({ listen: formatAddress(listen), credentials, authentication, crowded })
  }

  #tellStarted(): void {
    const { configFile, dataDirectory } = this.#configuration
    const { logId, epoch, participants } = this.inspection.status()
    this.#logger.info(
      {
        address: this.grpcAddress,
        http_address: this.httpAddress,
        log_id: logId,
        epoch,
        version: packageVersion(),
        pid: process.pid,
        data_dir: dataDirectory,
        config_file: configFile,
        participants: participants.map(({ name, kind, up }) => ({ name, kind, up })),
        undelivered: this.#assembly.opened?.unended.length ?? 0,
      },
      'started',
    )
    this.#assembly.tellOpened()
  }
}
