/**
 * The connections to one database, in the three pools of ./limits.ts. A session that broke, or that may be in a
 * transaction, is destroyed and never given back.
 */
import mysql, { type Pool, type PoolConnection, type PoolOptions } from 'mysql2'
import { DatabaseFailure } from '../shared/servers/database-failure.ts'
import type { ServerLimits } from '../shared/servers/limits.ts'
import type { DatabaseAddress } from './connection-url.ts'
import { failureOf, NO_SUCH_SESSION } from './errors.ts'
import { KILL_POLL_MS, KILL_WAIT_MS, type PoolShares, PREPARED_STATEMENTS_MAX } from './limits.ts'
import { Session } from './session.ts'
import { READ_COMMITTED, settingsStatement } from './session-settings.ts'

const BROKEN: ReadonlySet<string> = new Set(['PROTOCOL_CONNECTION_LOST', 'ECONNRESET', 'EPIPE', '4031'])

export interface ConnectionsOptions {
  readonly address: DatabaseAddress
  readonly shares: PoolShares
  readonly limits: ServerLimits
  /** Run on each new connection: behind the address there may be another server by now (R10). */
  readonly vet: (session: Session) => Promise<void>
}

export interface WorkSessionOptions {
  readonly lockTimeoutMs: number
  readonly signal: AbortSignal
}

export class Connections {
  readonly shares: PoolShares
  readonly #limits: ServerLimits
  readonly #vet: (session: Session) => Promise<void>
  readonly #pools: Readonly<Record<keyof PoolShares, Pool>>
  /** The settings that a connection was given last. */
  readonly #settings = new WeakMap<PoolConnection, string>()
  #vetted = new WeakSet<PoolConnection>()
  readonly #killing = new Map<number, Promise<void>>()

  constructor({ address, shares, limits, vet }: ConnectionsOptions) {
    this.shares = shares
    this.#limits = limits
    this.#vet = vet
    const pool = (connectionLimit: number): Pool =>
      mysql.createPool({ ...driverOptions(address, limits), connectionLimit })
    this.#pools = { work: pool(shares.work), side: pool(shares.side), kill: pool(shares.kill) }
  }

  /** For a branch: the caller releases or destroys it. */
  work({ lockTimeoutMs, signal }: WorkSessionOptions): Promise<Session> {
    return this.#ready('work', { settings: [settingsStatement(lockTimeoutMs)], signal, vet: this.#vet })
  }

  /** For looks, and for what is written to Pledged's own tables: READ COMMITTED, one statement a transaction. */
  async side<T>(run: (session: Session) => Promise<T>): Promise<T> {
    return using(await this.#ready('side', { settings: this.#sideSettings(), vet: this.#vet }), run)
  }

  /** For what is run before it is known which database this is. All connections are vetted anew after it. */
  async opening<T>(run: (session: Session) => Promise<T>): Promise<T> {
    this.#vetted = new WeakSet()
    return using(await this.#ready('side', { settings: this.#sideSettings() }), run)
  }

  /** Ends a session of this user's at the server, and waits until it is gone: a branch that it prepared is free then. */
  kill(sessionId: number): Promise<void> {
    const running = this.#killing.get(sessionId)
    if (running !== undefined) return running
    const killing = this.#kill(sessionId).finally(() => this.#killing.delete(sessionId))
    this.#killing.set(sessionId, killing)
    return killing
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#pools).map((pool) => ended(pool, this.#limits.answerTimeoutMs)))
  }

  async #kill(sessionId: number): Promise<void> {
    const session = new Session(await this.#take('kill'))
    const options = { phase: 'look', answerTimeoutMs: this.#limits.answerTimeoutMs } as const
    await using(session, async () => {
      try {
        await session.command(`KILL CONNECTION ${sessionId}`, options)
      } catch (error) {
        if (error instanceof DatabaseFailure && error.code === NO_SUCH_SESSION) return
        throw error
      }
      const deadlineMs = performance.now() + KILL_WAIT_MS
      for (;;) {
        const left = await session.rows(
          'SELECT id FROM information_schema.processlist WHERE id = ?',
          [sessionId],
          options,
        )
        if (left.length === 0 || performance.now() > deadlineMs) return
        await new Promise((resolve) => setTimeout(resolve, KILL_POLL_MS))
      }
    })
  }

  #sideSettings(): readonly string[] {
    return [settingsStatement(this.#limits.barLockTimeoutMs), READ_COMMITTED]
  }

  /** An idle connection that the server has closed is found out by its first statement; each is met once. */
  async #ready(name: 'work' | 'side', preparation: Preparation): Promise<Session> {
    for (let triesLeft = this.shares[name]; ; triesLeft -= 1) {
      const connection = await this.#take(name, preparation.signal)
      const session = new Session(connection)
      try {
        await this.#prepare(connection, session, preparation)
        return session
      } catch (error) {
        session.destroy()
        if (!isLost(error) || triesLeft <= 1) throw error
      }
    }
  }

  async #prepare(
    connection: PoolConnection,
    session: Session,
    { settings, vet }: Preparation,
  ): Promise<void> {
    const wanted = settings.join('; ')
    if (this.#settings.get(connection) !== wanted) {
      this.#settings.delete(connection)
      const options = { phase: 'connect', answerTimeoutMs: this.#limits.answerTimeoutMs } as const
      for (const statement of settings) await session.command(statement, options)
      this.#settings.set(connection, wanted)
    }
    if (vet === undefined || this.#vetted.has(connection)) return
    await vet(session)
    this.#vetted.add(connection)
  }

  #take(name: keyof PoolShares, signal?: AbortSignal): Promise<PoolConnection> {
    const taken = Promise.withResolvers<PoolConnection>()
    let waiting = true
    const giveUp = (error: Error): void => {
      waiting = false
      taken.reject(failureOf(error, 'connect'))
    }
    const timer = setTimeout(
      () => giveUp(late('no connection to the server became free in time')),
      2 * this.#limits.connectTimeoutMs,
    )
    const onAbort = (): void => giveUp(late('nobody waits for the vote any more'))
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted === true) onAbort()
    this.#pools[name].getConnection((error, connection) => {
      if (error !== null) giveUp(error)
      else if (waiting) taken.resolve(connection)
      else connection.release()
    })
    return taken.promise.finally(() => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    })
  }
}

interface Preparation {
  readonly settings: readonly string[]
  readonly signal?: AbortSignal
  readonly vet?: (session: Session) => Promise<void>
}

/** Gives the session back where nothing speaks against it. */
async function using<T>(session: Session, run: (session: Session) => Promise<T>): Promise<T> {
  try {
    const value = await run(session)
    session.release()
    return value
  } catch (error) {
    if (error instanceof DatabaseFailure && !error.connectionLost) session.release()
    else session.destroy()
    throw error
  }
}

function driverOptions(address: DatabaseAddress, limits: ServerLimits): PoolOptions {
  const { host, port, socket, user, password, database, ssl } = address
  return {
    ...(socket === undefined ? { host, port } : { socketPath: socket }),
    user,
    password,
    database,
    ...(ssl === undefined ? {} : { ssl }),
    charset: 'utf8mb4',
    multipleStatements: false,
    // The server could ask for any file of this machine. Rows are counted as found, whether or not they differ.
    flags: ['-LOCAL_FILES', 'FOUND_ROWS'],
    supportBigNumbers: true,
    connectTimeout: limits.connectTimeoutMs,
    maxPreparedStatements: PREPARED_STATEMENTS_MAX,
    enableKeepAlive: true,
  }
}

function isLost(error: unknown): boolean {
  return error instanceof DatabaseFailure && BROKEN.has(error.code)
}

function late(message: string): Error {
  return Object.assign(new Error(message), { code: 'ETIMEDOUT' })
}

/** An orderly goodbye takes an answer of the server's; one that doesn't come isn't waited for. */
function ended(pool: Pool, timeoutMs: number): Promise<void> {
  const over = Promise.withResolvers<void>()
  const timer = setTimeout(over.resolve, timeoutMs)
  pool.end(() => over.resolve())
  return over.promise.finally(() => clearTimeout(timer))
}
