/**
 * A session's stream over gRPC, from the dial to its end. Each has a connection of its own: when to try again is the session's to
 * decide, and a channel that outlives its stream would have a back-off of its own.
 */
import { messageOf, PledgedError } from '../../../base/errors.ts'
import type { Limits } from '../../../base/limits.ts'
import type { Timers } from '../../../base/ports.ts'
import type { Access } from '../../../dialling/index.ts'
import type { SessionCall, SessionGreeting } from '../../../protocol/session-messages.ts'
import type {
  OpenSessionRequest,
  OpenSessionResponse,
} from '../../../wire/generated/pledged/v1/transaction_service.ts'
import {
  admissionFromProto,
  BatchedWriter,
  fromServiceError,
  goodbyeFromProto,
  greetingToProto,
  sessionCallBatches,
  sessionReplies,
  TransactionServiceClient,
} from '../../../wire/index.ts'
import { channelOptions, type DiallingLimits } from '../../dialling.ts'
import type { DialSession, SessionStream, SessionStreamEnd, SessionStreamListener } from './session-stream.ts'

export type GrpcSessionLimits = DiallingLimits &
  Pick<
    Limits,
    'batchItemsMax' | 'batchBytesMax' | 'linkQueueBytesMax' | 'connectTimeoutMs' | 'linkCloseTimeoutMs'
  >

export interface GrpcDialOptions {
  readonly address: string
  readonly access: Access
  readonly limits: GrpcSessionLimits
  readonly timers: Timers
}

export function grpcDial(options: GrpcDialOptions): DialSession {
  return (greeting, listener) => new GrpcSessionStream(options, greeting, listener)
}

type Welcome = Parameters<typeof admissionFromProto>[0]

class GrpcSessionStream implements SessionStream {
  readonly #options: GrpcDialOptions
  readonly #client: TransactionServiceClient
  readonly #stream: ReturnType<TransactionServiceClient['openSession']>
  readonly #listener: SessionStreamListener
  #cancelTimer: () => void
  /** From the admission on. */
  #writer: BatchedWriter<SessionCall, OpenSessionRequest> | undefined
  #closing = false
  #over = false

  constructor(options: GrpcDialOptions, greeting: SessionGreeting, listener: SessionStreamListener) {
    this.#options = options
    this.#listener = listener
    const { address, access, limits, timers } = options
    this.#client = new TransactionServiceClient(address, access.channelCredentials, channelOptions(limits))
    this.#stream = this.#client.openSession(access.authorize())
    this.#stream.on('data', (message: OpenSessionResponse) => this.#received(message))
    this.#stream.on('error', (error) => this.#end({ error: this.#meaningOf(error) }))
    this.#stream.on('end', () => this.#unavailable(`the daemon at ${address} ended the session`))
    this.#cancelTimer = timers.after(limits.connectTimeoutMs, () =>
      this.#unavailable(
        `the daemon at ${address} can't be reached (no session was opened within ${limits.connectTimeoutMs} ms): ` +
          'is it running, and is this its address?',
      ),
    )
    this.#stream.write({ body: { $case: 'hello', value: greetingToProto(greeting) } })
  }

  send(calls: readonly SessionCall[]): void {
    if (!this.#closing) this.#writer?.send(calls)
  }

  close(): void {
    if (this.#over || this.#closing) return
    this.#closing = true
    this.#cancelTimer()
    this.#writer?.finish()
    this.#stream.end()
    // A coordinator that doesn't end its side, or can't be reached, must not keep the process.
    const closed: SessionStreamEnd = { error: new PledgedError('UNAVAILABLE', 'the session was closed') }
    if (this.#writer === undefined) this.#end(closed)
    else {
      const { timers, limits } = this.#options
      this.#cancelTimer = timers.after(limits.linkCloseTimeoutMs, () => this.#end(closed))
    }
  }

  #received(message: OpenSessionResponse): void {
    if (this.#over || this.#closing) return
    try {
      this.#handle(message)
    } catch (error) {
      const { address } = this.#options
      const sentence = `what answers at ${address} sent what is not understood: ${messageOf(error)}`
      // Before the admission it is something else that answers; later on the next session may do better.
      const code = this.#writer === undefined ? 'INVALID_REQUEST' : 'INTERNAL'
      this.#end({ error: new PledgedError(code, sentence, { cause: error }) })
    }
  }

  #handle({ body }: OpenSessionResponse): void {
    switch (body?.$case) {
      case 'welcome':
        this.#welcomed(body.value)
        return
      case 'batch':
        if (this.#writer !== undefined) this.#listener.received(sessionReplies(body.value))
        return
      case 'goodbye': {
        const { reason, retryAfterMs } = goodbyeFromProto(body.value)
        const { address } = this.#options
        const sentence = `the daemon at ${address} ended the session: ${reason}`
        this.#end({ error: new PledgedError('UNAVAILABLE', sentence), retryAfterMs })
        return
      }
      case undefined:
        // A newer coordinator's message: what it means can't be answered here.
        return
      default:
        body satisfies never
    }
  }

  #welcomed(welcome: Welcome): void {
    if (this.#writer !== undefined) return
    const admission = admissionFromProto(welcome)
    this.#cancelTimer()
    const { limits, timers, address } = this.#options
    const { batchBytesMax } = admission
    this.#writer = new BatchedWriter({
      sink: this.#stream,
      codec: sessionCallBatches,
      limits: {
        ...limits,
        batchBytesMax:
          batchBytesMax > 0 ? Math.min(batchBytesMax, limits.batchBytesMax) : limits.batchBytesMax,
      },
      timers,
      onOverflow: () => this.#unavailable(`the daemon at ${address} doesn't read: too much waits for it`),
    })
    this.#listener.admitted(admission)
  }

  #meaningOf(error: Error): PledgedError {
    const { address } = this.#options
    const pledged = fromServiceError(error, address)
    // gRPC says it of a call; which of the session's calls may have happened is the session's to say.
    if (pledged.code === 'OUTCOME_UNKNOWN') {
      return new PledgedError('UNAVAILABLE', `the session with the daemon at ${address} was broken off`, {
        cause: error,
      })
    }
    if (pledged.code !== 'NOT_IMPLEMENTED') return pledged
    return new PledgedError(
      'NOT_IMPLEMENTED',
      `the daemon at ${address} serves no sessions, it is older than this client: connect with { transport: 'unary' }`,
      { cause: error },
    )
  }

  #unavailable(sentence: string): void {
    this.#end({ error: new PledgedError('UNAVAILABLE', sentence) })
  }

  #end(end: SessionStreamEnd): void {
    if (this.#over) return
    this.#over = true
    this.#cancelTimer()
    this.#writer?.close()
    this.#stream.cancel()
    this.#client.close()
    if (!this.#closing) this.#listener.ended(end)
  }
}
