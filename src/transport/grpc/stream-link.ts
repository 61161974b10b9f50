/**
 * A Link over one AttachParticipant stream, from its hello to its end. It ends once, in one of three ways: we close
 * it (goodbye, OK), the participant leaves or is lost, or it breaks the protocol or reads too slowly and is sent
 * away with an error status. The owner hears of the last two.
 *
 * Reading needs no queue: a batch is handed on in the turn in which it is read, and the next is not read before.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js'
import { PledgedError } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import type { CoordinatorMessage, ParticipantIdentity } from '../../protocol/messages.ts'
import type {
  AttachParticipantRequest,
  AttachParticipantResponse,
} from '../../wire/generated/pledged/v1/participant_gateway_service.ts'
import {
  BatchedWriter,
  coordinatorBatches,
  goodbyeToProto,
  participantMessages,
  toStatus,
  welcomeToProto,
} from '../../wire/index.ts'
import type { Link, LinkListener, Welcome } from '../link.ts'
import type { StreamPeer } from './introduction.ts'

export type AttachStream = ServerDuplexStream<AttachParticipantRequest, AttachParticipantResponse>
export type LinkLimits = Pick<Limits, 'batchItemsMax' | 'batchBytesMax' | 'linkQueueBytesMax'>

export interface StreamLinkOptions {
  readonly identity: ParticipantIdentity
  readonly stream: AttachStream
  readonly listener: LinkListener
  readonly limits: LinkLimits
  /** The link has ended, in whichever way. */
  readonly ended: (link: StreamLink) => void
}

export class StreamLink implements Link, StreamPeer<AttachParticipantRequest> {
  readonly identity: ParticipantIdentity
  readonly #stream: AttachStream
  readonly #listener: LinkListener
  readonly #limits: LinkLimits
  readonly #ended: (link: StreamLink) => void
  readonly #writer: BatchedWriter<CoordinatorMessage, AttachParticipantResponse>
  #open = true

  constructor(options: StreamLinkOptions) {
    this.identity = options.identity
    this.#stream = options.stream
    this.#listener = options.listener
    this.#limits = options.limits
    this.#ended = options.ended
    this.#writer = new BatchedWriter({
      sink: options.stream,
      codec: coordinatorBatches,
      limits: options.limits,
      onOverflow: () => this.#sendAway(tooSlow(this.identity.name, this.#limits.linkQueueBytesMax)),
    })
  }

  welcome(welcome: Welcome): void {
    if (!this.#open) return
    const { batchBytesMax } = this.#limits
    this.#stream.write({ body: { $case: 'welcome', value: welcomeToProto({ ...welcome, batchBytesMax }) } })
  }

  send(messages: readonly CoordinatorMessage[]): void {
    this.#writer.send(messages)
  }

  close(reason: string, options: { readonly retryAfterMs?: number | undefined } = {}): void {
    if (!this.#open) return
    this.#writer.finish()
    this.#end()
    const farewell = { reason, retryAfterMs: options.retryAfterMs }
    this.#stream.write({ body: { $case: 'goodbye', value: goodbyeToProto(farewell) } })
    this.#stream.end()
  }

  receive(message: AttachParticipantRequest): void {
    if (!this.#open) return
    if (message.body?.$case !== 'batch') {
      throw new PledgedError(
        'INVALID_REQUEST',
        `participant "${this.identity.name}" sent ${describe(message)} where only a batch may come`,
      )
    }
    const messages = participantMessages(message.body.value)
    if (messages.length > 0) this.#listener.received(this, messages)
  }

  left(reason: string): void {
    this.lost(reason)
  }

  lost(reason: string): void {
    if (!this.#open) return
    this.#writer.close()
    this.#end()
    this.#stream.end()
    this.#listener.closed(this, reason)
  }

  sendAway(error: unknown): void {
    this.#sendAway(PledgedError.from(error))
  }

  #sendAway(error: PledgedError): void {
    if (!this.#open) return
    this.#writer.close()
    this.#end()
    this.#stream.emit('error', toStatus(error))
    this.#listener.closed(this, error.message)
  }

  #end(): void {
    this.#open = false
    this.#ended(this)
  }
}

function describe(message: AttachParticipantRequest): string {
  return message.body === undefined ? 'an empty message' : 'a second hello'
}

function tooSlow(name: string, bytesMax: number): PledgedError {
  return new PledgedError(
    'LIMIT_REACHED',
    `participant "${name}" reads too slowly: more than ${bytesMax} bytes waited for it; attach again`,
  )
}
