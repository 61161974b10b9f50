/** Lets calls in by who makes them, and remembers it for their handlers. */
import type { Metadata, ServerInterceptor } from '@grpc/grpc-js'
import { assert } from '../../base/assert.ts'
import { PledgedError } from '../../base/errors.ts'
import {
  type Authenticate,
  behind,
  type CallHeaders,
  type Identity,
  isOfHealth,
  type OpenStream,
} from '../../serving/index.ts'
import { toStatus } from '../../wire/index.ts'
import type { Caller, Identify, IncomingCall } from './calls.ts'
import { requireOwnName, requirePermission } from './permissions.ts'

/** A call that was not let in. It holds nothing of what the caller brought. */
export interface RefusedCall {
  readonly peer: string
  readonly method: string
  /** Where that is known. */
  readonly identity: string | undefined
  readonly error: PledgedError
}

type Refusable = Pick<RefusedCall, 'method' | 'peer'>

/** A participant that dials in says its name only in its first message. Throws PERMISSION_DENIED. */
export type AdmitParticipant = (call: IncomingCall, participant: string) => void

const ATTACH = '/pledged.v1.ParticipantGatewayService/AttachParticipant'

export interface EntranceOptions {
  readonly authenticate: Authenticate
  readonly refused: (refused: RefusedCall) => void
  /** Where an identity can be taken back while a stream is open that it opened. */
  readonly revocations?: Revocations | undefined
}

export interface Revocations {
  isGood(identity: Identity): boolean
  onRevoked(listener: () => void): void
}

export class Entrance {
  readonly interceptor: ServerInterceptor
  /** Of a call that was let in. */
  readonly identify: Identify
  readonly admitParticipant: AdmitParticipant
  readonly #options: EntranceOptions
  readonly #streams = new Set<OpenStream>()
  /** A call's metadata is one object from the headers to the handler. */
  readonly #identities = new WeakMap<Metadata, Identity>()

  constructor(options: EntranceOptions) {
    this.#options = options
    this.interceptor = behind({ admit: (call) => this.#admit(call), toStatus, streams: this.#streams })
    options.revocations?.onRevoked(() => this.#endRevoked())
    this.admitParticipant = (call, participant) => {
      const identity = this.identify(call)
      try {
        requireOwnName(identity, participant)
      } catch (error) {
        const asked = { method: ATTACH, peer: call.getPeer() }
        throw this.#refused(asked, identity, error)
      }
    }
    this.identify = ({ metadata }) => {
      const identity = this.#identities.get(metadata)
      assert(identity !== undefined, 'a handler is called only for a call that was let in')
      return identity
    }
  }

  #admit(call: CallHeaders): void {
    if (isOfHealth(call.method)) return
    let identity: Identity | undefined
    try {
      identity = this.#options.authenticate(call)
      requirePermission(identity, call.method)
      this.#identities.set(call.metadata, identity)
    } catch (error) {
      throw this.#refused(call, identity, error)
    }
  }

  /** Who was let in by a token that isn't good any more goes, and may come back with one that is. */
  #endRevoked(): void {
    for (const stream of this.#streams) {
      const identity = this.#identities.get(stream.metadata)
      if (identity === undefined || this.#options.revocations?.isGood(identity) !== false) continue
      stream.end(revoked(identity))
    }
  }

  #refused({ method, peer }: Refusable, identity: Caller | undefined, cause: unknown): PledgedError {
    const error = PledgedError.from(cause)
    this.#options.refused({ method, peer, identity: identity?.name, error })
    return error
  }
}

/** Retryable: whoever has the new token by now comes back at once, and who hasn't is refused then. */
function revoked({ name }: Identity): PledgedError {
  return new PledgedError(
    'UNAVAILABLE',
    `the token of ${JSON.stringify(name)} that opened this stream was taken back: come again with the one in its place`,
  )
}
