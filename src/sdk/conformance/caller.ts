/** Plain unary calls to a participant. An error status is an answer like any other: nothing here throws for one. */
import {
  type ChannelOptions,
  Client,
  connectivityState,
  Metadata,
  type ServiceError,
  status as STATUS,
} from '@grpc/grpc-js'
import { PledgedError } from '../../base/errors.ts'
import type { Access } from '../../dialling/index.ts'
import { ParticipantServiceService as service } from '../../wire/generated/pledged/v1/participant_service.ts'
import { connectionFailure, securityFailure } from '../../wire/index.ts'
import { sleep } from './patience.ts'

export type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly code: STATUS; readonly details: string }

/** In whose name a call is made: it goes along as metadata. */
export interface Speaker {
  readonly logId: string
  readonly epoch: string
}

export interface CallerOptions {
  readonly address: string
  readonly access: Access
  readonly timeoutMs: number
  readonly speaker: Speaker
}

export interface AskOptions {
  readonly speaker?: Speaker | undefined
  /** The caller gives up after that, as one that died would. */
  readonly cancelAfterMs?: number | undefined
}

/** How a method is called: its generated definition. */
interface Method<Request, Response> {
  readonly path: string
  readonly requestSerialize: (request: Request) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Response
}

/** Without keepalive: a server that isn't told otherwise cuts connections that probe more often than it likes. */
const CHANNEL: ChannelOptions = {
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_send_message_length': -1,
  'grpc.max_receive_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 250,
}
/** Of what stands before the methods. */
const REFUSALS: readonly STATUS[] = [STATUS.UNAUTHENTICATED, STATUS.PERMISSION_DENIED]
const SERVICE = '/pledged.v1.ParticipantService'
const AS_IT_IS = (bytes: Buffer): Buffer => bytes

export class Caller {
  readonly #options: CallerOptions
  #client: Client

  constructor(options: CallerOptions) {
    this.#options = options
    this.#client = connect(options)
  }

  ask<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    { speaker = this.#options.speaker, cancelAfterMs }: AskOptions = {},
  ): Promise<Answer<Response>> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined
      const { path, requestSerialize, responseDeserialize } = method
      const deadline = Date.now() + this.#options.timeoutMs
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.#options.access.authorize(metadataOf(speaker)),
        { deadline },
        (error, value) => {
          clearTimeout(timer)
          resolve(answerOf(error, value))
        },
      )
      if (cancelAfterMs !== undefined) timer = setTimeout(() => call.cancel(), cancelAfterMs)
    })
  }

  /** Bytes instead of a message, to a method that may not exist. */
  askRaw(method: string, bytes: Uint8Array): Promise<Answer<Uint8Array>> {
    return this.ask(
      { path: `${SERVICE}/${method}`, requestSerialize: AS_IT_IS, responseDeserialize: AS_IT_IS },
      Buffer.from(bytes),
    )
  }

  /** Resolves once a connection stands. Throws UNAVAILABLE where none can be made in time. */
  async connected(withinMs = this.#options.timeoutMs): Promise<void> {
    const deadline = new Date(Date.now() + withinMs)
    const failure = await new Promise<Error | undefined>((resolve) => {
      this.#client.waitForReady(deadline, resolve)
    })
    if (failure === undefined) return
    const state = await this.ask(service.listPreparedBranches, { pageSize: 1, pageToken: '' })
    const { address } = this.#options
    const insecurity = state.ok ? undefined : securityFailure(state.details, 'the participant')
    if (insecurity !== undefined) {
      throw new PledgedError('UNAVAILABLE', `the participant at ${address} can't be called: ${insecurity}`)
    }
    const detail = state.ok ? failure.message : connectionFailure(state.details)
    throw new PledgedError(
      'UNAVAILABLE',
      `nothing answers at ${address} (${detail}): is the participant running, and is this its address?`,
    )
  }

  /** Throws UNAUTHENTICATED where the participant wants to know who calls, or takes this one for nobody: no rule is broken by that. */
  async requireAdmitted(): Promise<void> {
    const answer = await this.ask(service.listPreparedBranches, { pageSize: 1, pageToken: '' })
    if (answer.ok || !REFUSALS.includes(answer.code)) return
    throw new PledgedError(
      'UNAUTHENTICATED',
      `the participant at ${this.#options.address} doesn't take who calls: ${answer.details} (the suite shows the token of --token-file)`,
    )
  }

  /**
   * Watches the connection that stands now. The function returned resolves with whether it has broken since, or
   * does so within `withinMs`.
   */
  watchConnection(): (withinMs: number) => Promise<boolean> {
    const channel = this.#client.getChannel()
    const standing = channel.getConnectivityState(false)
    const broken = new Promise<boolean>((resolve) => {
      if (standing === connectivityState.READY) {
        // From now on: gRPC may connect anew before anybody asks.
        channel.watchConnectivityState(standing, Number.POSITIVE_INFINITY, () => resolve(true))
      } else resolve(true)
    })
    return (withinMs) => Promise.race([broken, sleep(withinMs).then(() => false)])
  }

  /** What is left of the old connection is given up. */
  async reconnect(): Promise<void> {
    this.#client.close()
    this.#client = connect(this.#options)
    await this.connected()
  }

  close(): void {
    this.#client.close()
  }
}

function answerOf<Response>(error: ServiceError | null, value: Response | undefined): Answer<Response> {
  if (error !== null) return { ok: false, code: error.code, details: error.details }
  if (value !== undefined) return { ok: true, value }
  return { ok: false, code: STATUS.INTERNAL, details: 'an answer without a message' }
}

function metadataOf({ logId, epoch }: Speaker): Metadata {
  const metadata = new Metadata()
  metadata.set('pledged-log-id', logId)
  metadata.set('pledged-epoch', epoch)
  return metadata
}

function connect({ address, access }: CallerOptions): Client {
  return new Client(address, access.channelCredentials, CHANNEL)
}
