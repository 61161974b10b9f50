/** Makes the application's client. It connects at its first call, and again whenever the connection was lost. */
import { type CrashPoints, noCrashPoints } from '../../base/crash-points.ts'
import { defaultLimits, type Limits } from '../../base/limits.ts'
import {
  type Clock,
  type Random,
  systemClock,
  systemRandom,
  systemTimers,
  type Timers,
} from '../../base/ports.ts'
import type { ClientTls } from '../../dialling/index.ts'
import { TransactionServiceClient } from '../../wire/index.ts'
import { channelOptions, type DiallingLimits, resolveAccess, resolveAddress } from '../dialling.ts'
import type { Coordinator } from './coordinator.ts'
import { CoordinatorClient } from './coordinator-client.ts'
import { type GrpcSessionLimits, grpcDial } from './session/grpc-session-stream.ts'
import { SessionClient, type SessionClientLimits } from './session/session-client.ts'
import { SessionCalls } from './session-calls.ts'
import { Transactions } from './transaction/index.ts'
import { UnaryCalls } from './unary-calls.ts'

const DEFAULT_TIMEOUT_MS = 30_000

/** A caller is waiting: it is not left idle for long when the daemon is back. */
const callerLimits = { ...defaultLimits, backoffMaxMs: 1_000 }

export type ConnectLimits = DiallingLimits &
  GrpcSessionLimits &
  SessionClientLimits &
  Pick<Limits, 'connectTimeoutMs' | 'branchEndingTimeoutMs'>

export interface ConnectOptions {
  /** HOST:PORT or unix:PATH. Default: PLEDGED_ADDRESS, then 127.0.0.1:7420. */
  readonly address?: string | undefined
  /** A file with the token that the daemon knows this client by. Default: PLEDGED_TOKEN_FILE, then none. */
  readonly tokenFile?: string | undefined
  /**
   * PEM files. Given, even as `{}`, TLS is spoken. Default: PLEDGED_TLS_CA, PLEDGED_TLS_CERT, PLEDGED_TLS_KEY, each by itself;
   * without any of them plain text, in which a token is sent to nobody but this machine.
   */
  readonly tls?: ClientTls | undefined
  /** The time that a call gets unless it says otherwise. Default: 30 seconds. */
  readonly timeoutMs?: number | undefined
  /**
   * `session`: one stream for everything, many requests in flight; what `transaction` and `begin` need. It holds its connection,
   * and with it the process, until it is closed. `unary`: each request a call of its own. Default: `session`.
   */
  readonly transport?: 'session' | 'unary' | undefined
  readonly limits?: ConnectLimits | undefined
  readonly clock?: Clock | undefined
  readonly timers?: Timers | undefined
  readonly random?: Random | undefined
  readonly crashPoints?: CrashPoints | undefined
}

/**
 * Throws INVALID_REQUEST where the address is none, CONFIGURATION where a file can't be used. Doesn't wait for a connection.
 * The files are read again when they have changed: a token for the next call, a certificate for the next connection.
 */
export function connect(options: ConnectOptions = {}): Coordinator {
  const address = resolveAddress(options.address)
  const access = resolveAccess(address, options)
  const limits = options.limits ?? callerLimits
  const clock = options.clock ?? systemClock
  const timers = options.timers ?? systemTimers
  const random = options.random ?? systemRandom
  const crashPoints = options.crashPoints ?? noCrashPoints
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const common = { address, timeoutMs, limits, clock, timers, random, crashPoints }
  if (options.transport === 'unary') {
    const client = new TransactionServiceClient(address, access.channelCredentials, channelOptions(limits))
    const calls = new UnaryCalls({ address, client, access, limits, timers, crashPoints })
    return new CoordinatorClient({ ...common, calls, transactions: undefined })
  }
  const sessions = new SessionClient({ ...common, dial: grpcDial({ address, access, limits, timers }) })
  const transactions = new Transactions({ ...common, sessions })
  return new CoordinatorClient({ ...common, calls: new SessionCalls(sessions), transactions })
}
