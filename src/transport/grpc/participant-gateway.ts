/** ParticipantGatewayService: participants that dial in, each over a stream that opens with its hello. */
import { PledgedError } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import type { Ready } from '../../serving/index.ts'
import type {
  AttachParticipantRequest,
  ParticipantGatewayServiceServer,
} from '../../wire/generated/pledged/v1/participant_gateway_service.ts'
import { helloFromProto } from '../../wire/index.ts'
import type { LinkListener } from '../link.ts'
import { refusalOfStream } from './admission.ts'
import type { AdmitParticipant } from './entrance.ts'
import { serveIntroduced } from './introduction.ts'
import { type AttachStream, type LinkLimits, StreamLink } from './stream-link.ts'

export interface ParticipantGatewayOptions {
  readonly links: LinkListener
  readonly ready: Ready
  /** Throws where a participant of that name may not attach over this stream. */
  readonly admit: AdmitParticipant
  readonly limits: LinkLimits & Pick<Limits, 'helloTimeoutMs'>
}

export class ParticipantGateway {
  readonly handlers: ParticipantGatewayServiceServer
  readonly #options: ParticipantGatewayOptions
  readonly #links = new Set<StreamLink>()
  #closed = false

  constructor(options: ParticipantGatewayOptions) {
    this.#options = options
    this.handlers = { attachParticipant: (stream) => this.#attach(stream) }
  }

  /** Tells those that are still attached, and their owner, and takes no more. */
  close(reason: string): void {
    this.#closed = true
    for (const link of this.#links) {
      link.close(reason)
      this.#options.links.closed(link, reason)
    }
  }

  #attach(stream: AttachStream): void {
    serveIntroduced({
      stream,
      method: 'AttachParticipant',
      who: 'participant',
      helloTimeoutMs: this.#options.limits.helloTimeoutMs,
      refusal: () => refusalOfStream(this.#options.ready, this.#closed),
      introduce: (message) => this.#introduce(stream, message),
      opened: (link) => this.#options.links.opened(link),
    })
  }

  #introduce(stream: AttachStream, message: AttachParticipantRequest): StreamLink {
    if (message.body?.$case !== 'hello') {
      throw new PledgedError('INVALID_REQUEST', 'the first message of AttachParticipant has to be hello')
    }
    const identity = helloFromProto(message.body.value)
    this.#options.admit(stream, identity.name)
    const link = new StreamLink({
      identity,
      stream,
      listener: this.#options.links,
      limits: this.#options.limits,
      ended: (ended) => this.#links.delete(ended),
    })
    this.#links.add(link)
    return link
  }
}
