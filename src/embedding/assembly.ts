/**
 * A running coordinator, put together: the log on disk, the core, its participants, and, where it is to be reached from
 * outside, its server. The daemon is one of these with a process around it; `openCoordinator` is one with an application
 * around it. There is no other place where a log of the real world is opened to decide something.
 *
 * It knows no signal, ends no process, and writes nothing but what it tells the reporter.
 */
import { AdminService } from '../admin/index.ts'
import { type CrashPoints, noCrashPoints } from '../base/crash-points.ts'
import { messageOf, PledgedError } from '../base/errors.ts'
import type { Limits } from '../base/limits.ts'
import { systemClock, systemRandom, systemTimers } from '../base/ports.ts'
import { Coordinator } from '../coordinator/coordinator.ts'
import type { Notice } from '../coordinator/notices.ts'
import type { OpenedLog, OpenStage } from '../log/log.ts'
import { SqliteLog, type SqliteLogFaults } from '../log/sqlite/index.ts'
import { type GrpcServer, type GrpcServerOptions, serveGrpc } from '../transport/grpc/index.ts'
import type { Dialer } from '../transport/link.ts'
import { packageVersion } from './build-info.ts'
import type { Drained } from './drained.ts'
import { FirstContact } from './first-contact.ts'
import { HeardDialer } from './heard-dialer.ts'
import type { Reporter } from './reporter.ts'
import { FIRST_CONTACT_MS } from './tuning.ts'

export interface AssemblyOptions {
  readonly dataDirectory: string
  readonly limits: Limits
  /** Of the participants that it dials; others attach. */
  readonly dialers: readonly Dialer[]
  /** Closed with it. */
  readonly reporter: Reporter
  readonly crashPoints?: CrashPoints | undefined
  /** Faults on purpose, for tests. */
  readonly logFaults?: SqliteLogFaults | undefined
}

/** Where it listens, and who is let in there: what the coordinator itself is, is known here. */
export type ServeOptions = Omit<
  GrpcServerOptions,
  'transactions' | 'sessions' | 'links' | 'admin' | 'limits' | 'ready'
>

export class Assembly {
  readonly coordinator: Coordinator
  readonly #options: AssemblyOptions
  readonly #reporter: Reporter
  readonly #firstContact: FirstContact
  readonly #log: OpenedSqliteLog
  readonly #failed = Promise.withResolvers<PledgedError>()
  #grpc: GrpcServer | undefined
  #failure: PledgedError | undefined
  #draining = false
  #stopping: Promise<void> | undefined

  constructor(options: AssemblyOptions) {
    const { dataDirectory, limits, dialers, reporter, crashPoints = noCrashPoints } = options
    this.#options = options
    this.#reporter = reporter
    this.#firstContact = new FirstContact(dialers.map(({ name }) => name))
    this.#log = new OpenedSqliteLog({
      directory: dataDirectory,
      batchRecordsMax: limits.appendBatchRecordsMax,
      onDamage: (damage) => this.#damaged(damage),
      faults: options.logFaults,
    })
    const dialFailed = (name: string, reason: string): void =>
      this.#notice({ type: 'participant', name, event: 'dial_failed', reason })
    this.coordinator = new Coordinator({
      log: this.#log,
      limits,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      crashPoints,
      notice: (notice) => this.#notice(notice),
      dialers: dialers.map((dialer) => new HeardDialer(dialer, dialFailed)),
    })
  }

  /**
   * Opens the log, replays it, and waits for a short time until its participants are up or have failed once. Rejects with
   * LOG_IN_USE, LOG_DAMAGED or LOG_UNREADABLE; `stop` puts away what was opened by then.
   */
  async start(): Promise<void> {
    await this.coordinator.start()
    const silent = await this.#firstContact.all(FIRST_CONTACT_MS, systemTimers)
    for (const name of silent) {
      this.#reporter.participant(
        name,
        'dial_failed',
        `did not come up within ${FIRST_CONTACT_MS} ms; it is waited for no longer`,
      )
    }
  }

  /** Lets others in: applications, participants that attach, operators. Rejects with CONFIGURATION where it can't listen. */
  async serve(options: ServeOptions): Promise<void> {
    const { coordinator } = this
    const { limits } = this.#options
    this.#grpc = await serveGrpc({
      ...options,
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
      ready: () => this.refusal(),
    })
  }

  /** Where it listens, as a client names it, with the port that was bound. */
  get address(): string | undefined {
    return this.#grpc?.address
  }

  /** What the opening of the log showed. */
  get opened(): OpenedLog | undefined {
    return this.#log.opened
  }

  /** Resolves if the log fails: nothing is decided from then on. */
  get failed(): Promise<PledgedError> {
    return this.#failed.promise
  }

  /** Why requests are refused at present. */
  refusal(): PledgedError | undefined {
    if (this.#draining) return new PledgedError('DRAINING', 'the daemon is shutting down')
    return this.coordinator.refusal() ?? this.#failure
  }

  /** What is told of broken pledges and of an old copy, once whoever opened it has said that it was. */
  tellOpened(): void {
    const { superseded, heuristics } = this.#log.opened ?? {}
    if (superseded !== undefined) this.#reporter.superseded(superseded.message)
    this.#reporter.heuristics(heuristics ?? [])
  }

  /** Takes nothing new, and lets what is under way end. */
  async drain(timeoutMs: number): Promise<Drained> {
    this.#draining = true
    this.#grpc?.refreshHealth()
    // What waits for a log that failed will not end: there is nothing to wait for.
    const report = await this.coordinator.drain(this.#failure === undefined ? timeoutMs : 0)
    const { inDoubt, participants } = this.coordinator.status()
    const owing = participants.filter((view) => view.inDoubt > 0).map(({ name }) => name)
    const away = participants.filter(({ up }) => !up).map(({ name }) => name)
    return { ...report, inDoubt, owing, away }
  }

  /** Ends at once what can be ended; what is undelivered is delivered after the next start. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** The coordinator first: it answers those who wait, and the server then lets the answers out. */
  async #stop(): Promise<void> {
    this.#reporter.close()
    for (const close of [() => this.coordinator.stop(), () => this.#grpc?.close()]) {
      try {
        await close()
      } catch (error) {
        this.#reporter.closingFailed(messageOf(error))
      }
    }
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
