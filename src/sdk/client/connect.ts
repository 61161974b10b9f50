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

const DEFAULT_TIMEOUT_MS = 30_000

/** A caller is waiting: it is not left idle for long when the daemon is back. */
const callerLimits = { ...defaultLimits, backoffMaxMs: 1_000 }

export interface ConnectOptions {
  /** HOST:PORT or unix:PATH. Default: PLEDGED_ADDRESS, then 127.0.0.1:7420. */
  readonly address?: string | undefined
  /** The time that a call gets unless it says otherwise. Default: 30 seconds. */
  readonly timeoutMs?: number | undefined
  readonly limits?: (DiallingLimits & Pick<Limits, 'connectTimeoutMs'>) | undefined
  readonly clock?: Clock | undefined
  readonly timers?: Timers | undefined
  readonly random?: Random | undefined
  readonly crashPoints?: CrashPoints | undefined
}

/** Throws INVALID_REQUEST where the address is none. Doesn't wait for a connection. */
export function connect(options: ConnectOptions = {}): Coordinator {
  const address = resolveAddress(options.address)
  const limits = options.limits ?? callerLimits
  return new CoordinatorClient({
    address,
    client: new TransactionServiceClient(address, credentials.createInsecure(), channelOptions(limits)),
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    limits,
    clock: options.clock ?? systemClock,
    timers: options.timers ?? systemTimers,
    random: options.random ?? systemRandom,
    crashPoints: options.crashPoints ?? noCrashPoints,
  })
}
