/**
 * One attach, from the dial to its end: hello, welcome, then the host on one side and the stream on the other.
 * Nothing is repeated from here: what the coordinator had asked and was not told, it finds by its scan.
 */
import { messageOf } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import type { Timers } from '../../base/ports.ts'
import type { Access } from '../../dialling/index.ts'
import type { ParticipantIdentity, ParticipantMessage } from '../../protocol/messages.ts'
import type {
  AttachParticipantRequest,
  AttachParticipantResponse,
} from '../../wire/generated/pledged/v1/participant_gateway_service.ts'
import {
  type Admission,
  BatchedWriter,
  coordinatorMessages,
  type Farewell,
  fromServiceError,
  goodbyeFromProto,
  helloToProto,
  ParticipantGatewayServiceClient,
  participantBatches,
  welcomeFromProto,
} from '../../wire/index.ts'
import { channelOptions, type DiallingLimits } from '../dialling.ts'
import type { ParticipantHost } from './host.ts'
import type { AdmissionRefusal, HostSession } from './session.ts'

export type AttachLimits = DiallingLimits &
  Pick<
    Limits,
    'batchItemsMax' | 'batchBytesMax' | 'linkQueueBytesMax' | 'connectTimeoutMs' | 'linkCloseTimeoutMs'
  >

export interface AttachmentStreamOptions {
  readonly address: string
  readonly access: Access
  readonly host: ParticipantHost
  readonly identity: ParticipantIdentity
  readonly limits: AttachLimits
  readonly timers: Timers
  /** The coordinator has admitted the participant, and the participant the coordinator. */
  readonly onAdmitted: (admission: Admission) => void
}

/** How an attach ended. */
export interface AttachmentEnd {
  readonly reason: string
  /** Both had admitted each other. */
  readonly attached: boolean
  /** The coordinator ended it on purpose: by a goodbye, or by a status that refuses. */
  readonly farewell?: Farewell | undefined
  /** Refused, from either side, for a reason that trying again doesn't change. */
  readonly permanent: boolean
}

export class AttachmentStream {
  readonly ended: Promise<AttachmentEnd>
  readonly #options: AttachmentStreamOptions
  readonly #client: ParticipantGatewayServiceClient
  readonly #stream: ReturnType<ParticipantGatewayServiceClient['attachParticipant']>
  readonly #writer: BatchedWriter<ParticipantMessage, AttachParticipantRequest>
  readonly #resolve: (end: AttachmentEnd) => void
  readonly #cancelTimer: () => void
  #session: HostSession | undefined
  #admitted = false
  #refusal: AdmissionRefusal | undefined
  #farewell: Farewell | undefined
  #over = false

  constructor(options: AttachmentStreamOptions) {
    this.#options = options
    const { address, access, identity, limits, timers } = options
    const ended = Promise.withResolvers<AttachmentEnd>()
    this.ended = ended.promise
    this.#resolve = ended.resolve
    this.#client = new ParticipantGatewayServiceClient(
      address,
      access.channelCredentials,
      channelOptions(limits),
    )
    this.#stream = this.#client.attachParticipant(access.authorize())
    this.#writer = new BatchedWriter({
      sink: this.#stream,
      codec: participantBatches(identity.name),
      limits,
      timers,
      onOverflow: () => this.#end(`the coordinator at ${address} doesn't read: too much waits for it`),
    })
    this.#stream.on('data', (message: AttachParticipantResponse) => this.#received(message))
    this.#stream.on('error', (error) => this.#failed(error))
    this.#stream.on('end', () => this.#end(`the coordinator at ${address} ended the stream`))
    this.#cancelTimer = timers.after(limits.connectTimeoutMs, () =>
      this.#end(`the coordinator at ${address} didn't answer within ${limits.connectTimeoutMs} ms`),
    )
    this.#stream.write({ body: { $case: 'hello', value: helloToProto(identity) } })
  }

  /** Sends what is ready, and ends the stream. */
  async close(): Promise<void> {
    this.#session?.close()
    await this.#hangUp()
  }

  /** R11: the coordinator is told why, and hears no more. */
  #refused(refusal: AdmissionRefusal): void {
    this.#refusal = refusal
    void this.#hangUp()
  }

  async #hangUp(): Promise<void> {
    this.#writer.finish()
    this.#stream.end()
    const { timers, limits } = this.#options
    const cancel = timers.after(limits.linkCloseTimeoutMs, () => this.#end('closed'))
    await this.ended
    cancel()
  }

  #received(message: AttachParticipantResponse): void {
    if (this.#over) return
    try {
      this.#handle(message)
    } catch (error) {
      this.#end(
        `the coordinator at ${this.#options.address} sent what is not understood: ${messageOf(error)}`,
      )
    }
  }

  #handle({ body }: AttachParticipantResponse): void {
    switch (body?.$case) {
      case 'welcome':
        this.#welcomed(welcomeFromProto(body.value))
        return
      case 'batch':
        this.#session?.receive(coordinatorMessages(body.value))
        return
      case 'goodbye':
        this.#farewell = goodbyeFromProto(body.value)
        this.#end(this.#farewell.reason)
        return
      case undefined:
        // A newer coordinator's message: what it means can't be answered here.
        return
      default:
        body satisfies never
    }
  }

  #welcomed(admission: Admission): void {
    if (this.#session !== undefined) return
    this.#cancelTimer()
    const { host, onAdmitted } = this.#options
    this.#session = host.attach(
      {
        replied: (messages) => this.#writer.send(messages),
        admitted: () => {
          this.#admitted = true
          onAdmitted(admission)
        },
        refused: (refusal) => this.#refused(refusal),
      },
      admission,
    )
  }

  #failed(error: Error): void {
    const pledged = fromServiceError(error, this.#options.address)
    const permanent = !pledged.retryable && pledged.code !== 'INTERNAL'
    this.#end(pledged.message, permanent)
  }

  #end(reason: string, permanent = false): void {
    if (this.#over) return
    this.#over = true
    this.#cancelTimer()
    this.#writer.close()
    this.#session?.close()
    this.#stream.cancel()
    this.#client.close()
    this.#resolve(
      this.#refusal === undefined
        ? { reason, attached: this.#admitted, farewell: this.#farewell, permanent }
        : { reason: this.#refusal.message, attached: false, permanent: this.#refusal.superseded },
    )
  }
}
