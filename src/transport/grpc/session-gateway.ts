/** OpenSession of TransactionService: applications that dial in, each over a stream that opens with its hello. */
import { PledgedError } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import type { SessionApi } from '../../protocol/requests.ts'
import type { Ready } from '../../serving/index.ts'
import type { OpenSessionRequest } from '../../wire/generated/pledged/v1/transaction_service.ts'
import { greetingFromProto } from '../../wire/index.ts'
import { refusalOfStream } from './admission.ts'
import { type Identify, traceparentOf } from './calls.ts'
import { serveIntroduced } from './introduction.ts'
import { type OpenSessionStream, type SessionLimits, SessionStream } from './session-stream.ts'

export interface SessionGatewayOptions {
  readonly sessions: SessionApi
  readonly ready: Ready
  readonly identify: Identify
  readonly limits: SessionLimits & Pick<Limits, 'helloTimeoutMs'>
}

export class SessionGateway {
  readonly #options: SessionGatewayOptions
  readonly #open = new Set<SessionStream>()
  #closed = false

  constructor(options: SessionGatewayOptions) {
    this.#options = options
  }

  /** Says goodbye to those that are open, and takes no more. */
  close(reason: string): void {
    this.#closed = true
    for (const session of this.#open) session.close(reason)
  }

  serve(stream: OpenSessionStream): void {
    serveIntroduced({
      stream,
      method: 'OpenSession',
      who: 'client',
      helloTimeoutMs: this.#options.limits.helloTimeoutMs,
      refusal: () => refusalOfStream(this.#options.ready, this.#closed),
      introduce: (message) => this.#introduce(stream, message),
      opened: (session) => session.open(),
    })
  }

  #introduce(stream: OpenSessionStream, message: OpenSessionRequest): SessionStream {
    if (message.body?.$case !== 'hello') {
      throw new PledgedError('INVALID_REQUEST', 'the first message of OpenSession has to be hello')
    }
    const { identify, sessions, limits } = this.#options
    const session = new SessionStream({
      greeting: greetingFromProto(message.body.value),
      facts: { caller: identify(stream).name, traceparent: traceparentOf(stream.metadata) },
      stream,
      sessions,
      limits,
      ended: (ended) => this.#open.delete(ended),
    })
    this.#open.add(session)
    return session
  }
}
