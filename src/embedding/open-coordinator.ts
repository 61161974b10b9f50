/** Opens a log in this process, and makes the coordinator of it that the application calls. */
import { resolve } from 'node:path'
import { type CrashPoints, noCrashPoints } from '../base/crash-points.ts'
import { PledgedError } from '../base/errors.ts'
import type { Limits } from '../base/limits.ts'
import { systemClock, systemRandom, systemTimers } from '../base/ports.ts'
import type { SqliteLogFaults } from '../log/sqlite/index.ts'
import { CoordinatorClient } from '../sdk/client/coordinator-client.ts'
import type { Coordinator } from '../sdk/client/index.ts'
import { SessionClient } from '../sdk/client/session/session-client.ts'
import { SessionCalls } from '../sdk/client/session-calls.ts'
import { Transactions } from '../sdk/client/transaction/index.ts'
import { isLocal, parseListenAddress } from '../serving/index.ts'
import { memoryDial } from '../transport/memory/index.ts'
import { Assembly } from './assembly.ts'
import { AssembledCoordinator, type EmbeddedCoordinator } from './embedded-coordinator.ts'
import { limitsOf } from './embedded-limits.ts'
import { type EmbeddedLogger, reporterTo } from './embedded-logger.ts'
import { dialersOf, type EmbeddedParticipant } from './participants.ts'
import { CALL_TIMEOUT_MS, CALLER_BACKOFF_MS } from './tuning.ts'

/** Of better-sqlite3. */
const NODE_API_MIN = 10

export interface OpenCoordinatorOptions {
  /** Where the log is kept; made where there is none. `pledged serve` keeps its log there, too: one at a time. */
  readonly dataDirectory: string
  /** By name. They are closed with the coordinator. */
  readonly participants?: Readonly<Record<string, EmbeddedParticipant>> | undefined
  /**
   * 127.0.0.1:7420 or unix:PATH. Given, it also serves what the daemon serves: operators and their CLI, participants that attach,
   * other applications. Left out, nobody but this process reaches it.
   */
  readonly listen?: string | undefined
  /** The time that a call gets unless it says otherwise. Default: 30 seconds. */
  readonly timeoutMs?: number | undefined
  readonly limits?: Partial<Limits> | undefined
  /** What an operator should see: participants that come and go, broken pledges, a log that failed. Default: nobody is told. */
  readonly logger?: EmbeddedLogger | undefined
  /**
   * The identity that this application's request ids belong to. Default: anonymous, as everyone is to a daemon without
   * authentication; to one with it, name the identity that the application has there.
   */
  readonly caller?: string | undefined
  /** For tests. @internal */
  readonly crashPoints?: CrashPoints | undefined
  /** For tests. @internal */
  readonly logFaults?: SqliteLogFaults | undefined
}

/**
 * Resolves when the log is open and replayed, and the participants are up or have failed once: those that are away are dialled
 * again, later and later. Rejects with LOG_IN_USE, LOG_DAMAGED, LOG_UNREADABLE or CONFIGURATION, and leaves nothing open.
 *
 * It keeps the process alive until it is closed. It handles no signal, and ends no process; a bug of its own is an uncaught
 * exception, because an impossible state must not go on deciding.
 */
export async function openCoordinator(options: OpenCoordinatorOptions): Promise<EmbeddedCoordinator> {
  requireNode()
  const listen = localAddress(options.listen)
  const dataDirectory = directoryOf(options.dataDirectory)
  const limits = limitsOf(options.limits)
  const crashPoints = options.crashPoints ?? noCrashPoints
  const context = { dataDirectory, limits, timers: systemTimers, crashPoints }
  const assembly = new Assembly({
    dataDirectory,
    limits,
    dialers: dialersOf(options.participants ?? {}, context),
    reporter: reporterTo(options.logger),
    crashPoints,
    logFaults: options.logFaults,
  })
  try {
    await assembly.start()
    if (listen !== undefined) await assembly.serve({ listen })
  } catch (error) {
    await assembly.stop()
    throw error
  }
  assembly.tellOpened()
  const client = clientOf(assembly, { ...options, dataDirectory, limits, crashPoints })
  return new AssembledCoordinator({ assembly, client, drainTimeoutMs: limits.drainTimeoutMs })
}

interface ClientOptions extends Pick<OpenCoordinatorOptions, 'timeoutMs' | 'caller'> {
  readonly dataDirectory: string
  readonly limits: Limits
  readonly crashPoints: CrashPoints
}

/** What `connect` makes, over a session within this process. */
function clientOf(assembly: Assembly, options: ClientOptions): Coordinator {
  const { timeoutMs = CALL_TIMEOUT_MS, caller = 'anonymous', limits, crashPoints, dataDirectory } = options
  const ports = { clock: systemClock, timers: systemTimers, random: systemRandom, crashPoints }
  const common = {
    address: assembly.address ?? `embedded:${dataDirectory}`,
    timeoutMs,
    limits: {
      ...limits,
      backoffMaxMs: Math.min(limits.backoffMaxMs, CALLER_BACKOFF_MS),
      // There is no message that it would have to fit into; a branch's work is the coordinator's to bound.
      messageBytesMax: Number.MAX_SAFE_INTEGER,
    },
    ...ports,
  }
  const { coordinator } = assembly
  const dial = memoryDial({ sessions: coordinator, caller, limits, timers: systemTimers })
  const sessions = new SessionClient({ ...common, dial })
  const transactions = new Transactions({ ...common, sessions })
  return new CoordinatorClient({ ...common, calls: new SessionCalls(sessions), transactions })
}

/** The SQLite addon would end the process without a word. */
function requireNode(): void {
  if (Number(process.versions.napi) >= NODE_API_MIN) return
  throw new PledgedError(
    'CONFIGURATION',
    `this is Node ${process.versions.node}, and an embedded coordinator needs Node 22.14 or newer: install one (https://nodejs.org), and start the application with that`,
  )
}

function directoryOf(given: unknown): string {
  if (typeof given === 'string' && given !== '') return resolve(given)
  throw new PledgedError('CONFIGURATION', 'dataDirectory is missing: say in which directory the log is kept')
}

function localAddress(listen: string | undefined): string | undefined {
  if (listen === undefined || isLocal(parseListenAddress(listen))) return listen
  throw new PledgedError(
    'CONFIGURATION',
    `listen is ${listen}, which other machines reach: an embedded coordinator listens on a loopback address or a unix ` +
      'socket; where others have to come in, run the daemon (pledged serve)',
  )
}
