/**
 * Who may call a participant that listens. It has one caller, the coordinator: a token, or a certificate of the one authority,
 * says that it is that one. Its health is told to everybody.
 */
import type { ServerCredentials, ServerInterceptor } from '@grpc/grpc-js'
import { PledgedError } from '../../base/errors.ts'
import {
  authenticator,
  BearerTokens,
  behind,
  type CallHeaders,
  type Identity,
  isLocal,
  isOfHealth,
  parseListenAddress,
  type Rotation,
  type ServerTls,
  serverCredentials,
} from '../../serving/index.ts'
import { toStatus } from '../../wire/index.ts'

export interface GuardOptions {
  readonly listen: string
  readonly tls?: ServerTls | undefined
  readonly tokenFile?: string | undefined
  readonly insecure?: boolean | undefined
  /** Files were read again. */
  readonly tell: (rotation: Rotation) => void
}

/** Roles are the daemon's; here there is one who calls, and it may do everything. */
const COORDINATOR: Identity = { name: 'coordinator', role: 'operator' }

export class Guard {
  readonly credentials: ServerCredentials
  readonly interceptors: ServerInterceptor[]
  readonly #tokens: BearerTokens | undefined

  /** Throws CONFIGURATION where others could reach what nothing guards, or a file can't be used. */
  constructor(options: GuardOptions) {
    requireGuarded(options)
    const { tls, tokenFile, tell } = options
    this.credentials = serverCredentials(tls, { tell })
    this.#tokens =
      tokenFile === undefined
        ? undefined
        : new BearerTokens([{ identity: COORDINATOR, file: tokenFile }], { tell })
    this.interceptors = this.#tokens === undefined ? [] : [interceptorFor(this.#tokens)]
  }

  close(): void {
    this.#tokens?.close()
  }
}

function interceptorFor(tokens: BearerTokens): ServerInterceptor {
  const authenticate = authenticator({ tokens })
  const admit = (call: CallHeaders): void => {
    if (isOfHealth(call.method)) return
    try {
      authenticate(call)
    } catch (error) {
      throw new PledgedError(
        'UNAUTHENTICATED',
        'this participant asks whoever calls for a token, and was shown none, or another one: name the file of its token ' +
          "by token_file, at this participant in the daemon's configuration",
        { cause: error },
      )
    }
  }
  return behind({ admit, toStatus })
}

/** Whoever reaches the port of one that nothing guards may commit and abort. */
function requireGuarded({ listen, tls, tokenFile, insecure = false }: GuardOptions): void {
  if (insecure || isLocal(parseListenAddress(listen))) return
  const isAsked = tokenFile !== undefined || tls?.clientCaFile !== undefined
  if (tls !== undefined && isAsked) return
  const missing = [
    ...(tls === undefined ? ['TLS (tls.certFile, tls.keyFile; --tls-cert, --tls-key)'] : []),
    ...(isAsked
      ? []
      : [
          'a token (tokenFile; --token-file) or the authority of whoever may call (tls.clientCaFile; --tls-ca)',
        ]),
  ].join(', and ')
  throw new PledgedError(
    'CONFIGURATION',
    `listen is ${listen}, which can be reached from other machines, and whoever does could commit and abort: add ${missing}; ` +
      'or use a loopback address or a unix socket, or say insecure',
  )
}
