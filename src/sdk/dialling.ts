/** What the application's client and an attaching participant share: where the daemon is, and how to reach it. */
import type { ChannelOptions } from '@grpc/grpc-js'
import { PledgedError } from '../base/errors.ts'
import type { Limits } from '../base/limits.ts'
import type { Random } from '../base/ports.ts'
import { type ConnectionLimits, clientOptions } from '../wire/index.ts'

export const DEFAULT_ADDRESS = '127.0.0.1:7420'

const HOST_AND_PORT = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):([0-9]{1,5})$/
const UNIX = /^unix:./

/** The address given, else PLEDGED_ADDRESS, else the default. Throws INVALID_REQUEST where it is none. */
export function resolveAddress(given: string | undefined, environment = process.env): string {
  if (given !== undefined) return checkedAddress(given, 'address')
  const fromEnvironment = environment['PLEDGED_ADDRESS']
  if (fromEnvironment === undefined || fromEnvironment === '') return DEFAULT_ADDRESS
  return checkedAddress(fromEnvironment, 'PLEDGED_ADDRESS')
}

export type DiallingLimits = ConnectionLimits & Pick<Limits, 'backoffMinMs' | 'backoffMaxMs'>

export function channelOptions(limits: DiallingLimits): ChannelOptions {
  return clientOptions(limits, { reconnectMaxMs: limits.backoffMaxMs })
}

/** Exponential back-off with full jitter: between 0 and min * 2^failures, at most max. */
export function backoffMs(
  failures: number,
  limits: Pick<Limits, 'backoffMinMs' | 'backoffMaxMs'>,
  random: Random,
): number {
  const ceilingMs = Math.min(limits.backoffMaxMs, limits.backoffMinMs * 2 ** Math.min(failures, 30))
  return random.below(ceilingMs + 1)
}

function checkedAddress(address: string, source: string): string {
  const match = HOST_AND_PORT.exec(address)
  if (UNIX.test(address) || (match !== null && Number(match[1]) <= 65_535)) return address
  throw new PledgedError(
    'INVALID_REQUEST',
    `${source} is ${JSON.stringify(address)}: expected HOST:PORT, for example ${DEFAULT_ADDRESS}, or unix:PATH`,
  )
}
