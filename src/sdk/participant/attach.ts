/**
 * Attaches a participant to a coordinator, and attaches it again, for ever, whenever the stream has ended: a
 * participant that has pledged must be there to be told.
 */
import { type CrashPoints, noCrashPoints } from '../../base/crash-points.ts'
import { messageOf } from '../../base/errors.ts'
import type { Epoch, LogId } from '../../base/ids.ts'
import { defaultLimits, type Limits } from '../../base/limits.ts'
import {
  type Clock,
  type Random,
  systemClock,
  systemRandom,
  systemTimers,
  type Timers,
} from '../../base/ports.ts'
import type { Access, ClientTls } from '../../dialling/index.ts'
import { backoffMs, resolveAccess, resolveAddress } from '../dialling.ts'
import { type AttachLimits, type AttachmentEnd, AttachmentStream } from './attachment-stream.ts'
import { ParticipantHost } from './host.ts'
import type { Participant } from './participant.ts'

export type AttachmentEvent =
  | { readonly type: 'attached'; readonly address: string; readonly logId: LogId; readonly epoch: Epoch }
  /** It had been attached, and is not any more. */
  | { readonly type: 'detached'; readonly reason: string; readonly retryInMs: number }
  /**
   * The coordinator doesn't admit it, or it doesn't admit the coordinator, which runs on an old copy of its log (R11).
   * `permanent`: trying again will not help until somebody mends it.
   */
  | {
      readonly type: 'refused'
      readonly reason: string
      readonly retryInMs: number
      readonly permanent: boolean
    }
  /** The participant can't describe itself or look the coordinator up, or the coordinator can't be reached. */
  | { readonly type: 'failed'; readonly reason: string; readonly retryInMs: number }

export interface AttachOptions {
  /** HOST:PORT or unix:PATH. Default: PLEDGED_ADDRESS, then 127.0.0.1:7420. */
  readonly address?: string | undefined
  /** A file with the token that the daemon knows this participant by. Default: PLEDGED_TOKEN_FILE, then none. */
  readonly tokenFile?: string | undefined
  /**
   * PEM files. Given, even as `{}`, TLS is spoken. Default: PLEDGED_TLS_CA, PLEDGED_TLS_CERT, PLEDGED_TLS_KEY, each by itself;
   * without any of them plain text, in which a token is sent to nobody but this machine.
   */
  readonly tls?: ClientTls | undefined
  /** Under which transactions know it: 1 to 32 of a-z, 0-9, '-'. */
  readonly name: string
  /** Closed when the attachment is. */
  readonly participant: Participant
  readonly onEvent?: ((event: AttachmentEvent) => void) | undefined
  /** Closes the attachment. */
  readonly signal?: AbortSignal | undefined
  readonly limits?:
    | (AttachLimits &
        Pick<Limits, 'participantConcurrencyMax' | 'participantWorkBytesMax' | 'refusedRetryMs'>)
    | undefined
  readonly clock?: Clock | undefined
  readonly timers?: Timers | undefined
  readonly random?: Random | undefined
  readonly crashPoints?: CrashPoints | undefined
}

export interface Attachment extends AsyncDisposable {
  readonly name: string
  readonly address: string
  readonly attached: boolean
  /** Resolves when it has been closed, by `close` or by the signal. */
  readonly closed: Promise<void>
  /** Lets running verbs end, closes the participant. What they answer is found by the next attach. */
  close(): Promise<void>
}

/**
 * Throws INVALID_REQUEST where the name or the address is none, CONFIGURATION where a file can't be used. Everything after is
 * told to `onEvent`. The files are read again, when they have changed, for the next attach.
 */
export function attachParticipant(options: AttachOptions): Attachment {
  return new ParticipantAttachment(options)
}

class ParticipantAttachment implements Attachment {
  readonly name: string
  readonly address: string
  readonly closed: Promise<void>
  readonly #access: Access
  readonly #host: ParticipantHost
  readonly #limits: AttachLimits & Pick<Limits, 'refusedRetryMs'>
  readonly #timers: Timers
  readonly #random: Random
  readonly #onEvent: ((event: AttachmentEvent) => void) | undefined
  readonly #closing = Promise.withResolvers<void>()
  #isClosing = false
  #attached = false
  /** Attaches in a row that came to nothing, or were ended by the coordinator on purpose. */
  #failures = 0

  constructor(options: AttachOptions) {
    this.name = options.name
    this.address = resolveAddress(options.address)
    this.#access = resolveAccess(this.address, options)
    const limits = options.limits ?? defaultLimits
    this.#limits = limits
    this.#timers = options.timers ?? systemTimers
    this.#random = options.random ?? systemRandom
    this.#onEvent = options.onEvent
    this.#host = new ParticipantHost({
      name: options.name,
      participant: options.participant,
      limits,
      clock: options.clock ?? systemClock,
      timers: this.#timers,
      random: this.#random,
      crashPoints: options.crashPoints ?? noCrashPoints,
    })
    this.closed = this.#run()
    const { signal } = options
    if (signal?.aborted) this.#beginClosing()
    signal?.addEventListener('abort', () => this.#beginClosing(), { once: true })
  }

  get attached(): boolean {
    return this.#attached
  }

  async close(): Promise<void> {
    this.#beginClosing()
    await this.closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #beginClosing(): void {
    this.#isClosing = true
    this.#closing.resolve()
  }

  async #run(): Promise<void> {
    // The caller has its handle before anything is told.
    await Promise.resolve()
    while (!this.#isClosing) {
      const retryInMs = await this.#attachOnce()
      if (!this.#isClosing) await this.#sleep(retryInMs)
    }
    await this.#host.close()
  }

  /** Resolves, when the attach has ended, with the time until the next. */
  async #attachOnce(): Promise<number> {
    // A resource that hangs must not keep the process from closing.
    const described = await Promise.race([this.#describe(), this.#closing.promise])
    if (described === undefined || this.#isClosing) return 0
    if (described.identity === undefined) return this.#failed(described.reason)
    const stream = new AttachmentStream({
      address: this.address,
      access: this.#access,
      host: this.#host,
      identity: described.identity,
      limits: this.#limits,
      timers: this.#timers,
      onAdmitted: ({ logId, epoch }) => {
        this.#attached = true
        this.#tell({ type: 'attached', address: this.address, logId, epoch })
      },
    })
    const end = await Promise.race([stream.ended, this.#closing.promise])
    this.#attached = false
    if (end !== undefined) return this.#ended(end)
    await stream.close()
    return 0
  }

  async #describe() {
    try {
      return { identity: await this.#host.describe() }
    } catch (error) {
      return { identity: undefined, reason: messageOf(error) }
    }
  }

  #failed(reason: string): number {
    const retryInMs = this.#backoffMs()
    this.#tell({ type: 'failed', reason, retryInMs })
    return retryInMs
  }

  #ended({ reason, attached, farewell, permanent }: AttachmentEnd): number {
    // Two processes under one name would throw each other out in a circle: only a broken stream starts anew.
    if (attached && farewell === undefined && !permanent) this.#failures = 0
    if (!attached && farewell === undefined && !permanent) return this.#failed(reason)
    const retryInMs = permanent ? this.#limits.refusedRetryMs : (farewell?.retryAfterMs ?? this.#backoffMs())
    if (attached) this.#tell({ type: 'detached', reason, retryInMs })
    else this.#tell({ type: 'refused', reason, retryInMs, permanent })
    return retryInMs
  }

  #backoffMs(): number {
    const delayMs = backoffMs(this.#failures, this.#limits, this.#random)
    this.#failures += 1
    return delayMs
  }

  async #sleep(delayMs: number): Promise<void> {
    const slept = Promise.withResolvers<void>()
    const cancel = this.#timers.after(delayMs, slept.resolve)
    await Promise.race([slept.promise, this.#closing.promise])
    cancel()
  }

  /** In a turn of its own: what a listener throws is its own, and must not stop the attaching. */
  #tell(event: AttachmentEvent): void {
    const onEvent = this.#onEvent
    if (onEvent !== undefined) queueMicrotask(() => onEvent(event))
  }
}
