/**
 * The settings that are one value each: where each is found in the file, in the environment and among the flags,
 * how it is read, and what it is when nobody says anything.
 */
import { defaultLimits } from '../base/limits.ts'
import type { DaemonOptions } from './options.ts'
import { type Address, parseAddress, parseCount, parseDuration, parseText, type Range } from './values.ts'

export interface Settings {
  readonly listen: Address
  readonly httpListen: Address
  readonly dataDirectory: string
  readonly tlsCertFile: string | undefined
  readonly tlsKeyFile: string | undefined
  readonly tlsClientCaFile: string | undefined
  readonly transactionsInFlightMax: number
  readonly branchesPerTransactionMax: number
  readonly workBytesMax: number
  readonly messageBytesMax: number
  readonly sessionsMax: number
  readonly participantsMax: number
  readonly connectionsMax: number
  readonly prepareTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly drainTimeoutMs: number
  readonly orphanGraceMs: number
  readonly retentionMs: number
}

export interface Setting<Value> {
  readonly path: readonly [string, string?]
  readonly flag?: { readonly name: string; readonly option: keyof DaemonOptions } | undefined
  /** Throws a Mistake. */
  readonly parse: (value: unknown) => Value
  readonly fallback: Value
}

/** Node's timers overflow beyond it, and fire at once. */
const TIMER_MS_MAX = 24 * 24 * 3_600_000
const RETENTION_MS_MAX = 3_650 * 24 * 3_600_000

export const SETTINGS: { readonly [Name in keyof Settings]: Setting<Settings[Name]> } = {
  listen: {
    path: ['listen'],
    flag: { name: '--listen', option: 'listen' },
    parse: parseAddress,
    fallback: { kind: 'tcp', host: '127.0.0.1', port: 7420 },
  },
  httpListen: {
    path: ['http_listen'],
    flag: { name: '--http-listen', option: 'httpListen' },
    parse: parseAddress,
    fallback: { kind: 'tcp', host: '127.0.0.1', port: 7421 },
  },
  dataDirectory: {
    path: ['data_dir'],
    flag: { name: '--data-dir', option: 'dataDir' },
    parse: parseText,
    fallback: './pledged-data',
  },
  tlsCertFile: { path: ['tls', 'cert_file'], parse: parseText, fallback: undefined },
  tlsKeyFile: { path: ['tls', 'key_file'], parse: parseText, fallback: undefined },
  tlsClientCaFile: { path: ['tls', 'client_ca_file'], parse: parseText, fallback: undefined },
  transactionsInFlightMax: {
    path: ['limits', 'transactions_in_flight'],
    parse: count({ min: 1, max: 10_000_000 }),
    fallback: defaultLimits.transactionsInFlightMax,
  },
  branchesPerTransactionMax: {
    path: ['limits', 'branches_per_transaction'],
    parse: count({ min: 1, max: 1_000 }),
    fallback: defaultLimits.branchesPerTransactionMax,
  },
  workBytesMax: {
    path: ['limits', 'work_bytes'],
    // One prepare has to fit into one message of a batched stream, with its frame.
    parse: count({ min: 1, max: defaultLimits.batchBytesMax - 65_536 }),
    fallback: defaultLimits.workBytesMax,
  },
  messageBytesMax: {
    path: ['limits', 'message_bytes'],
    // A batch of a stream, with its frame, has to fit.
    parse: count({ min: defaultLimits.batchBytesMax + 65_536, max: 64 << 20 }),
    fallback: defaultLimits.messageBytesMax,
  },
  sessionsMax: {
    path: ['limits', 'sessions'],
    parse: count({ min: 1, max: 100_000 }),
    fallback: defaultLimits.sessionsMax,
  },
  participantsMax: {
    path: ['limits', 'participants'],
    parse: count({ min: 1, max: 100_000 }),
    fallback: defaultLimits.participantsMax,
  },
  connectionsMax: {
    path: ['limits', 'connections'],
    parse: count({ min: 1, max: 1_000_000 }),
    fallback: defaultLimits.connectionsMax,
  },
  prepareTimeoutMs: {
    path: ['timeouts', 'prepare'],
    parse: duration({ min: 1, max: defaultLimits.prepareTimeoutMsMax }),
    fallback: defaultLimits.prepareTimeoutMs,
  },
  idleTimeoutMs: {
    path: ['timeouts', 'idle'],
    parse: duration({ min: 1, max: defaultLimits.prepareTimeoutMsMax }),
    fallback: defaultLimits.idleTimeoutMs,
  },
  drainTimeoutMs: {
    path: ['timeouts', 'drain'],
    parse: duration({ min: 0, max: TIMER_MS_MAX }),
    fallback: defaultLimits.drainTimeoutMs,
  },
  orphanGraceMs: {
    path: ['timeouts', 'orphan_grace'],
    parse: duration({ min: 0, max: TIMER_MS_MAX }),
    fallback: defaultLimits.orphanGraceMs,
  },
  retentionMs: {
    path: ['retention'],
    parse: duration({ min: 1_000, max: RETENTION_MS_MAX }),
    fallback: defaultLimits.retentionMs,
  },
}

/** `timeouts.prepare` is PLEDGED_TIMEOUTS_PREPARE. */
export function variableOf({ path }: Pick<Setting<unknown>, 'path'>): string {
  return `PLEDGED_${path.join('_').toUpperCase()}`
}

function count(range: Range): (value: unknown) => number {
  return (value) => parseCount(value, range)
}

function duration(range: Range): (value: unknown) => number {
  return (value) => parseDuration(value, range)
}
