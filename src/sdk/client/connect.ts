/** Makes the application's client. It connects at its first call, and again whenever the connection was lost. */
import { credentials } from '@grpc/grpc-js'
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
import { TransactionServiceClient } from '../../wire/generated/pledged/v1/transaction_service.ts'
import { channelOptions, type DiallingLimits, resolveAddress } from '../dialling.ts'
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

/** Throws INVALID_REQUEST where the address is none. Doesn't wait for a connection. */
export function connect(options: ConnectOptions = {}): Coordinator {
  const address = resolveAddress(options.address)
  const limits = options.limits ?? callerLimits
  const clock = options.clock ?? systemClock
  const timers = options.timers ?? systemTimers
  const random = options.random ?? systemRandom
  const crashPoints = options.crashPoints ?? noCrashPoints
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const common = { address, timeoutMs, limits, clock, timers, random, crashPoints }
  if (options.transport === 'unary') {
    const client = new TransactionServiceClient(address, credentials.createInsecure(), channelOptions(limits))
    const calls = new UnaryCalls({ address, client, limits, timers, crashPoints })
    return new CoordinatorClient({ ...common, calls, transactions: undefined })
  }
  const sessions = new SessionClient({ ...common, dial: grpcDial({ address, limits, timers }) })
  const transactions = new Transactions({ ...common, sessions })
  return new CoordinatorClient({ ...common, calls: new SessionCalls(sessions), transactions })
}
