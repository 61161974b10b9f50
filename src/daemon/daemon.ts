/**
 * The composition root. `startDaemon` opens the log, replays it, brings up the configured participants, and only
 * then listens: whoever can connect is served. A start that fails puts away all that it had opened.
 */

import { AdminService } from '../admin/index.ts'
import type { CrashPoints } from '../base/crash-points.ts'
import { noCrashPoints } from '../base/crash-points.ts'
import { messageOf, PledgedError } from '../base/errors.ts'
import { systemClock, systemRandom, systemTimers } from '../base/ports.ts'
import { Coordinator } from '../coordinator/coordinator.ts'
import type { Notice } from '../coordinator/notices.ts'
import type { CoordinatorInspection, DrainReport } from '../coordinator/views.ts'
import type { OpenedLog, OpenStage } from '../log/log.ts'
import { SqliteLog, type SqliteLogFaults } from '../log/sqlite/index.ts'
import { type GrpcServer, serveGrpc } from '../transport/grpc/index.ts'
import { packageVersion } from './build-info.ts'
import type { Configuration } from './configuration.ts'
import { dialersOf } from './configured-participants.ts'
import { FirstContact } from './first-contact.ts'
import { createLogger, type Logger } from './logger.ts'
import { type Probes, serveProbes } from './probes.ts'
import { Reporter } from './reporter.ts'
import { FIRST_CONTACT_MS } from './tuning.ts'
import { formatAddress } from './values.ts'

export interface StartOptions {
  readonly crashPoints?: CrashPoints | undefined
  readonly logger?: Logger | undefined
  /** Faults on purpose, for tests. */
  readonly logFaults?: SqliteLogFaults | undefined
}

export interface DaemonDrain extends DrainReport {
  /** Transactions of which a participant is still in doubt. */
  readonly inDoubt: number
  /** The participants that it waits for. */
  readonly owing: readonly string[]
  /** Participants that are away: what they hold prepared can't be known. */
  readonly away: readonly string[]
}

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
  readonly #crashPoints: CrashPoints
  readonly #logger: Logger
  readonly #reporter: Reporter
  readonly #firstContact: FirstContact
  readonly #log: OpenedSqliteLog
  readonly #coordinator: Coordinator
  readonly #failed = Promise.withResolvers<PledgedError>()
  #grpc: GrpcServer | undefined
  #probes: Probes | undefined
  #failure: PledgedError | undefined
  #draining = false
  #stopping: Promise<void> | undefined

  constructor(configuration: Configuration, options: StartOptions) {
    const { limits, participants } = configuration
    this.#configuration = configuration
    this.#crashPoints = options.crashPoints ?? noCrashPoints
    this.#logger = options.logger ?? createLogger(configuration.logLevel)
    this.#reporter = new Reporter({ logger: this.#logger, clock: systemClock, timers: systemTimers })
    this.#firstContact = new FirstContact(participants.map(({ name }) => name))
    this.#log = new OpenedSqliteLog({
      directory: configuration.dataDirectory,
      batchRecordsMax: limits.appendBatchRecordsMax,
      onDamage: (damage) => this.#damaged(damage),
      faults: options.logFaults,
    })
    this.#coordinator = new Coordinator({
      log: this.#log,
      limits,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      crashPoints: this.#crashPoints,
      notice: (notice) => this.#notice(notice),
      dialers: dialersOf({
        participants,
        limits,
        timers: systemTimers,
        dialFailed: (name, reason) => {
          this.#notice({ type: 'participant', name, event: 'dial_failed', reason })
        },
      }),
    })
  }

  async start(): Promise<void> {
    await this.#coordinator.start()
    await this.#awaitParticipants()
    await this.#listen()
    this.#tellStarted()
  }

  get grpcAddress(): string {
    return this.#grpc?.address ?? formatAddress(this.#configuration.listen)
  }

  get httpAddress(): string {
    return this.#probes?.address ?? formatAddress(this.#configuration.httpListen)
  }

  get inspection(): CoordinatorInspection {
    return this.#coordinator
  }

  get failed(): Promise<PledgedError> {
    return this.#failed.promise
  }

  async drain(): Promise<DaemonDrain> {
    const { drainTimeoutMs } = this.#configuration.limits
    this.#logger.info({ timeout_ms: drainTimeoutMs }, 'draining: new transactions are refused')
    // What waits for a log that failed will not end: there is nothing to wait for.
    const timeoutMs = this.#failure === undefined ? drainTimeoutMs : 0
    this.#draining = true
    this.#grpc?.refreshHealth()
    const report = await this.#coordinator.drain(timeoutMs)
    const { inDoubt, participants } = this.#coordinator.status()
    const owing = participants.filter((view) => view.inDoubt > 0).map(({ name }) => name)
    const away = participants.filter(({ up }) => !up).map(({ name }) => name)
    this.#logger.info({ ...report, in_doubt: inDoubt, owing, away }, 'drained')
    return { ...report, inDoubt, owing, away }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** The coordinator first: it answers those who wait, and the servers then let the answers out. */
  async #stop(): Promise<void> {
    this.#reporter.close()
    const closers = [() => this.#coordinator.stop(), () => this.#grpc?.close(), () => this.#probes?.close()]
    for (const close of closers) {
      try {
        await close()
      } catch (error) {
        this.#logger.error({ reason: messageOf(error) }, 'a part of the daemon did not close in order')
      }
    }
  }

  async #awaitParticipants(): Promise<void> {
    const silent = await this.#firstContact.all(FIRST_CONTACT_MS, systemTimers)
    for (const name of silent) {
      this.#reporter.participant(
        name,
        'dial_failed',
        `did not come up within ${FIRST_CONTACT_MS} ms; it is waited for no longer`,
      )
    }
  }

  async #listen(): Promise<void> {
    const { listen, httpListen, limits } = this.#configuration
    const coordinator = this.#coordinator
    this.#probes = await serveProbes({ address: httpListen, refusal: () => this.#refusal()?.message })
    this.#grpc = await serveGrpc({
      listen: formatAddress(listen),
      transactions: coordinator,
      sessions: coordinator,
      links: coordinator,
      admin: new AdminService({
        inspection: coordinator,
        operators: coordinator,
        version: packageVersion(),
        limits,
      }),
      limits,
      ready: () => this.#refusal(),
    })
  }

  /** Why requests are refused at present. */
  #refusal(): PledgedError | undefined {
    if (this.#draining) return new PledgedError('DRAINING', 'the daemon is shutting down')
    return this.#coordinator.refusal() ?? this.#failure
  }

  #notice(notice: Notice): void {
    this.#reporter.notice(notice)
    if (notice.type === 'log_failed') this.#fail(new PledgedError('LOG_UNWRITABLE', notice.reason))
    if (notice.type === 'participant' && HEARD.has(notice.event)) this.#firstContact.heard(notice.name)
  }

  /** The log found out in the background that what it had kept is no longer whole. */
  #damaged(damage: PledgedError): void {
    this.#reporter.logFailed(damage.message)
    this.#fail(damage)
  }

  #fail(failure: PledgedError): void {
    this.#failure ??= failure
    this.#failed.resolve(failure)
    this.#grpc?.refreshHealth()
  }

  #tellStarted(): void {
    const { configFile, dataDirectory } = this.#configuration
    const { logId, epoch, participants } = this.#coordinator.status()
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
        undelivered: this.#log.opened?.unended.length ?? 0,
      },
      'started',
    )
    const { superseded } = this.#log.opened ?? {}
    if (superseded !== undefined) this.#reporter.superseded(superseded.message)
    this.#reporter.heuristics(this.#log.opened?.heuristics ?? [])
  }
}

/** A participant has come up, or will not do so at once. */
const HEARD: ReadonlySet<string> = new Set(['link_up', 'dial_failed', 'impostor', 'link_down'])

/** The log, with what its opening showed. */
class OpenedSqliteLog extends SqliteLog {
  opened: OpenedLog | undefined

  override async open(onStage?: (stage: OpenStage) => void): Promise<OpenedLog> {
    this.opened = await super.open(onStage)
    return this.opened
  }
}
