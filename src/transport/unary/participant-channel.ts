/** One connection to a participant that listens, and the calls on it. */
import {
  type CallOptions,
  type ClientUnaryCall,
  connectivityState,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js'
import type { PledgedError } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import { Access, type AccessOptions } from '../../dialling/index.ts'
import { ParticipantServiceClient } from '../../wire/generated/pledged/v1/participant_service.ts'
import { type ConnectionLimits, clientOptions, fromServiceError } from '../../wire/index.ts'
import type { Welcome } from '../link.ts'

/** What follows the request in a call of the generated client. */
export type CallArguments<Response> = [
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
]

export interface ParticipantCall<Response> {
  /** Rejects with PledgedError. */
  readonly response: Promise<Response>
  readonly cancel: () => void
}

export type ChannelLimits = ConnectionLimits & Pick<Limits, 'connectTimeoutMs'>

export interface ParticipantChannelOptions {
  readonly address: string
  readonly limits: ChannelLimits
  readonly access: AccessOptions
}

/**
 * Anyone's server, as its library sets it up, takes probes of a silent connection for an attack when they come more
 * often than every five minutes, and hangs up (https://grpc.io/docs/guides/keepalive/). A peer that lost its power is
 * found by the next scan, which has a deadline as every call has.
 */
const QUIET = {
  'grpc.keepalive_time_ms': 2 ** 31 - 1,
  'grpc.keepalive_permit_without_calls': 0,
} as const

export class ParticipantChannel {
  readonly address: string
  readonly client: ParticipantServiceClient
  readonly #access: Access
  readonly #calls = new Set<ClientUnaryCall>()
  #metadata = new Metadata()
  #closed = false

  /** Throws CONFIGURATION where a file of its access can't be used. */
  constructor({ address, limits, access }: ParticipantChannelOptions) {
    this.address = address
    this.#access = new Access(address, access)
    this.client = new ParticipantServiceClient(address, this.#access.channelCredentials, {
      // A channel is made for each dial and tries once; it is the recovery's back-off that counts.
      ...clientOptions(limits, { reconnectMaxMs: limits.connectTimeoutMs }),
      ...QUIET,
      // Anyone's server answers here: what it sends must not fill the memory of a coordinator of others.
      'grpc.max_receive_message_length': limits.messageBytesMax,
      'grpc.use_local_subchannel_pool': 1,
      // http_proxy is meant for the web: a participant on loopback or a unix socket isn't behind it.
      'grpc.enable_http_proxy': 0,
    })
  }

  /** From now on every call says who speaks (R11). */
  introduce({ logId, epoch }: Pick<Welcome, 'logId' | 'epoch'>): void {
    this.#metadata = new Metadata()
    this.#metadata.set('pledged-log-id', logId)
    this.#metadata.set('pledged-epoch', epoch)
  }

  /** `start` makes the call: `(...rest) => channel.client.commitBranch(request, ...rest)`. */
  call<Response>(
    start: (...rest: CallArguments<Response>) => ClientUnaryCall,
    timeoutMs: number,
  ): ParticipantCall<Response> {
    const answered = Promise.withResolvers<Response>()
    const call = start(
      this.#access.authorize(this.#metadata),
      { deadline: Date.now() + timeoutMs },
      (error, response) => {
        this.#calls.delete(call)
        if (error === null) answered.resolve(response)
        else answered.reject(this.#failure(error))
      },
    )
    this.#calls.add(call)
    return { response: answered.promise, cancel: () => call.cancel() }
  }

  /** Told, once, when the connection is no more; not when it is we who close it. */
  watch(down: (reason: string) => void): void {
    const lost = (): void => {
      if (!this.#closed) down(`the connection to the participant at ${this.address} was lost`)
    }
    const channel = this.client.getChannel()
    if (channel.getConnectivityState(false) === connectivityState.READY) {
      channel.watchConnectivityState(connectivityState.READY, Number.POSITIVE_INFINITY, lost)
    } else lost()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const call of this.#calls) call.cancel()
    this.client.close()
  }

  #failure(error: ServiceError): PledgedError {
    return fromServiceError(error, this.address, 'the participant')
  }
}
