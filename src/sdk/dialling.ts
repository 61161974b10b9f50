/** What the application's client and an attaching participant share: where the daemon is, how to reach it, and to get in. */
import type { ChannelOptions } from '@grpc/grpc-js'
import { PledgedError } from '../base/errors.ts'
import type { Limits } from '../base/limits.ts'
import type { Random } from '../base/ports.ts'
import { Access, type AccessOptions } from '../dialling/index.ts'
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

/** What is given, else what PLEDGED_TOKEN_FILE, PLEDGED_TLS_CA, PLEDGED_TLS_CERT and PLEDGED_TLS_KEY name: files, each of them. */
export function resolveAccessOptions(given: AccessOptions, environment = process.env): AccessOptions {
  const named = (variable: string): string | undefined => {
    const file = environment[variable]
    return file === '' ? undefined : file
  }
  const tls = {
    caFile: given.tls?.caFile ?? named('PLEDGED_TLS_CA'),
    certFile: given.tls?.certFile ?? named('PLEDGED_TLS_CERT'),
    keyFile: given.tls?.keyFile ?? named('PLEDGED_TLS_KEY'),
  }
  const speaksTls = given.tls !== undefined || Object.values(tls).some((file) => file !== undefined)
  return {
    tokenFile: given.tokenFile ?? named('PLEDGED_TOKEN_FILE'),
    tls: speaksTls ? tls : undefined,
  }
}

/** Throws CONFIGURATION, with the file and what is wrong with it. */
export function resolveAccess(address: string, given: AccessOptions): Access {
  return new Access(address, resolveAccessOptions(given))
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
