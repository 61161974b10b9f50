/**
 * Serves a participant at an address, for coordinators that register it there (`kind: grpc`). To its verbs it is the
 * same as an attached one: calls for one xid run in the order they came, those for others side by side, and no more
 * prepares than it may run (the next is refused with RESOURCE_EXHAUSTED). A call that its caller has cancelled, as an
 * abort cancels the prepare, fires that prepare's signal.
 */
import type { CrashPoints } from '../../base/crash-points.ts'
import { messageOf, PledgedError } from '../../base/errors.ts'
import { defaultLimits, type Limits } from '../../base/limits.ts'
import { type Clock, type Random, systemTimers, type Timers } from '../../base/ports.ts'
import type { ParticipantIdentity } from '../../protocol/messages.ts'
import {
  BoundedServer,
  bind,
  type Health,
  type Rotation,
  type ServerLimits,
  type ServerTls,
  serveHealth,
  shutDown,
  silenceGrpc,
  tolerant,
} from '../../serving/index.ts'
import { ParticipantServiceService } from '../../wire/generated/pledged/v1/participant_service.ts'
import { type ConnectionLimits, serverOptions } from '../../wire/index.ts'
import { Admissions } from './admissions.ts'
import { Guard } from './guard.ts'
import { ParticipantHost } from './host.ts'
import type { CoordinatorIdentity, Participant } from './participant.ts'
import { participantService } from './participant-service.ts'

export type ListeningEvent =
  | { readonly type: 'listening'; readonly address: string }
  /** A coordinator speaks that the participant admits. */
  | ({ readonly type: 'admitted' } & CoordinatorIdentity)
  /** One speaks that it doesn't (R11). `permanent`: it runs on an old copy of its log, until somebody mends it. */
  | ({ readonly type: 'refused'; readonly reason: string; readonly permanent: boolean } & CoordinatorIdentity)
  /** The participant can't describe itself: its calls are refused, with this sentence, until it can. */
  | { readonly type: 'failed'; readonly reason: string }
  /** Files of certificates or tokens have changed: they are used from now on, or can't be, and its text says why. */
  | { readonly type: 'secrets'; readonly rotation: Rotation }

export type ListenLimits = ConnectionLimits &
  ServerLimits &
  Pick<
    Limits,
    | 'participantConcurrencyMax'
    | 'participantWorkBytesMax'
    | 'linkCloseTimeoutMs'
    | 'serverCloseTimeoutMs'
    | 'prepareTimeoutMs'
    | 'scanPageSize'
  >

export interface ListenOptions {
  /** Under which the coordinator has registered it: 1 to 32 of a-z, 0-9, '-'. */
  readonly name: string
  /** Closed when the listening is. */
  readonly participant: Participant
  /** HOST:PORT (port 0: any that is free), or unix:PATH. */
  readonly listen: string
  /**
   * PEM files: the participant's own certificate and key, and, with `clientCaFile`, the authority of whoever may call. Without it,
   * plain text. Needed, with that authority or `tokenFile`, where other machines can reach it.
   */
  readonly tls?: ServerTls | undefined
  /** A file with the token that the coordinator has to show (`token_file` in its configuration), or two, one a line. */
  readonly tokenFile?: string | undefined
  /** Listen also where other machines can reach it, without encryption or authentication. */
  readonly insecure?: boolean | undefined
  readonly onEvent?: ((event: ListeningEvent) => void) | undefined
  /** Closes the listening. */
  readonly signal?: AbortSignal | undefined
  readonly limits?: ListenLimits | undefined
  readonly clock?: Clock | undefined
  readonly timers?: Timers | undefined
  readonly random?: Random | undefined
  readonly crashPoints?: CrashPoints | undefined
}

export interface Listening extends AsyncDisposable {
  readonly name: string
  /** As a coordinator's configuration names it, with the port that was bound. */
  readonly address: string
  /** Resolves when it has been closed, by `close` or by the signal. */
  readonly closed: Promise<void>
  /** Takes no more calls, lets those under way end for a while, closes the participant. */
  close(): Promise<void>
}

/** Rejects with INVALID_REQUEST where the name is none, CONFIGURATION where it can't listen, or nothing would guard it. */
export async function listenParticipant(options: ListenOptions): Promise<Listening> {
  const listening = new ParticipantListening(options)
  await listening.open()
  return listening
}

const SERVICE = 'pledged.v1.ParticipantService'

class ParticipantListening implements Listening {
  readonly name: string
  readonly closed: Promise<void>
  readonly #options: ListenOptions
  readonly #limits: ListenLimits
  readonly #timers: Timers
  readonly #host: ParticipantHost
  readonly #guard: Guard
  readonly #server: BoundedServer
  readonly #health: Health
  readonly #resolveClosed: () => void
  #address = ''
  #isClosing = false
  /** The participant has described itself. */
  #isReady = false
  #describing: Promise<ParticipantIdentity> | undefined
  #toldFailure = ''

  constructor(options: ListenOptions) {
    silenceGrpc()
    this.name = options.name
    this.#options = options
    this.#limits = options.limits ?? defaultLimits
    this.#timers = options.timers ?? systemTimers
    this.#host = new ParticipantHost({ ...options, limits: this.#limits })
    const closed = Promise.withResolvers<void>()
    this.closed = closed.promise
    this.#resolveClosed = closed.resolve
    this.#guard = new Guard({ ...options, tell: (rotation) => this.#tell({ type: 'secrets', rotation }) })
    const { interceptors } = this.#guard
    this.#server = new BoundedServer({
      limits: this.#limits,
      timers: this.#timers,
      grpc: { ...serverOptions(this.#limits), interceptors },
    })
    this.#server.addService(tolerant(ParticipantServiceService), this.#handlers())
    this.#health = serveHealth(this.#server, [SERVICE], () =>
      this.#isReady
        ? undefined
        : new PledgedError('STARTING', 'the participant has not described itself yet'),
    )
  }

  get address(): string {
    return this.#address
  }

  async open(): Promise<void> {
    this.#address = await bind(this.#server, this.#options.listen, this.#guard.credentials).catch((error) => {
      this.#guard.close()
      throw error
    })
    this.#tell({ type: 'listening', address: this.#address })
    // So that what is wrong is told before the first call meets it; that call tries again.
    this.#ready().catch(() => {})
    const { signal } = this.#options
    if (signal?.aborted) void this.close()
    signal?.addEventListener('abort', () => void this.close(), { once: true })
  }

  async close(): Promise<void> {
    if (this.#isClosing) return await this.closed
    this.#isClosing = true
    this.#health.stop()
    await shutDown(this.#server, this.#limits.serverCloseTimeoutMs, this.#timers)
    this.#guard.close()
    await this.#host.close()
    this.#resolveClosed()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #handlers() {
    return participantService({
      host: this.#host,
      limits: this.#limits,
      describe: () => this.#describe(),
      ready: () => this.#ready(),
      admissions: new Admissions({
        admit: (coordinator) => this.#host.admit(coordinator),
        onDecided: ({ logId, epoch }, refusal) =>
          this.#tell(
            refusal === undefined
              ? { type: 'admitted', logId, epoch }
              : { type: 'refused', logId, epoch, reason: refusal.message, permanent: refusal.superseded },
          ),
      }),
    })
  }

  async #ready(): Promise<void> {
    if (!this.#isReady) await this.#describe()
  }

  /** One at a time: opening a resource twice at once is asking for trouble. */
  #describe(): Promise<ParticipantIdentity> {
    this.#describing ??= this.#describeNow().finally(() => {
      this.#describing = undefined
    })
    return this.#describing
  }

  async #describeNow(): Promise<ParticipantIdentity> {
    try {
      const identity = await this.#host.describe()
      this.#isReady = true
      this.#toldFailure = ''
      return identity
    } catch (error) {
      const reason = messageOf(error)
      if (reason !== this.#toldFailure) this.#tell({ type: 'failed', reason })
      this.#toldFailure = reason
      throw new PledgedError('UNAVAILABLE', reason, { cause: error })
    } finally {
      this.#health.refresh()
    }
  }

  /** In a turn of its own: what a listener throws is its own, and must not stop the serving. */
  #tell(event: ListeningEvent): void {
    const { onEvent } = this.#options
    if (onEvent !== undefined) queueMicrotask(() => onEvent(event))
  }
}
