/**
 * A bounded number of connections. Who waits for one gives up when nobody waits for him; one that broke in the middle,
 * or whose transaction is not over, is destroyed and never given to another.
 */
import { Client, type ClientConfig, Pool, type PoolClient } from 'pg'
import { leftMs, type Patience, Places } from '../shared/servers/places.ts'
import { abandoned, failureOf } from './errors.ts'
import { Session } from './session.ts'

export interface SessionPoolOptions {
  readonly config: ClientConfig
  readonly max: number
  /** Called on each new connection; a throw destroys it. */
  readonly admit: (session: Session) => Promise<void>
  /** Ends what the server still does for a session that was given up. Doesn't reject. */
  readonly terminate?: ((processId: number) => Promise<void>) | undefined
  /** Run, unseen by the caller, before a session goes to another: what the work may have left in it. */
  readonly cleaning?: string | undefined
  readonly cleaningTimeoutMs: number
}

/** Longer than a lull between transactions, and shorter than what firewalls forget. */
const IDLE_TIMEOUT_MS = 60_000

export const NEVER_ABORTED: AbortSignal = new AbortController().signal

export class SessionPool {
  readonly #options: SessionPoolOptions
  readonly #pool: Pool
  readonly #places: Places
  /** In which generation each connection was admitted. */
  readonly #admitted = new WeakMap<PoolClient, number>()
  #generation = 0

  constructor(options: SessionPoolOptions) {
    this.#options = options
    this.#places = new Places(options.max)
    this.#pool = new Pool({ ...options.config, max: options.max, idleTimeoutMillis: IDLE_TIMEOUT_MS })
    // An idle connection that breaks is news to nobody: the next use makes another.
    this.#pool.on('error', () => {})
    this.#pool.on('connect', (client) => {
      client.on('error', () => {})
    })
  }

  /** Throws DatabaseFailure, and whatever `run` throws. */
  async use<T>(patience: Patience, run: (session: Session) => Promise<T>): Promise<T> {
    if (!(await this.#places.take(patience)))
      throw abandoned('connect', 'no connection to the database became free in time')
    const limit = limitOf(patience)
    let client: PoolClient | undefined
    let session: Session | undefined
    try {
      client = await this.#connect()
      session = new Session({ client, processId: processIdOf(client) }, limit.signal)
      if (!this.#isTrusted(client)) {
        const generation = this.#generation
        await this.#options.admit(session)
        this.#admitted.set(client, generation)
      }
      return await run(session)
    } finally {
      limit.clear()
      this.#putBack(client, session)
    }
  }

  /** Connections of before are not used again. */
  distrust(): void {
    this.#generation += 1
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  async #connect(): Promise<PoolClient> {
    for (;;) {
      let client: PoolClient
      try {
        client = await this.#pool.connect()
      } catch (error) {
        throw failureOf(error, 'connect')
      }
      if (this.#isTrusted(client) || !this.#admitted.has(client)) return client
      client.release(true)
    }
  }

  #isTrusted(client: PoolClient): boolean {
    return this.#admitted.get(client) === this.#generation
  }

  /** Nobody waits for what is done here. */
  #putBack(client: PoolClient | undefined, session: Session | undefined): void {
    if (client === undefined || session === undefined) {
      this.#places.give()
      return
    }
    if (session.lost || session.transactionStatus !== 'I' || !this.#isTrusted(client)) {
      client.release(true)
      this.#places.give()
      void this.#options.terminate?.(session.processId)
      return
    }
    void this.#clean(client, session.processId)
  }

  async #clean(client: PoolClient, processId: number): Promise<void> {
    const { cleaning, cleaningTimeoutMs } = this.#options
    if (cleaning === undefined) {
      client.release()
      this.#places.give()
      return
    }
    const limit = limitOf({ deadlineMs: performance.now() + cleaningTimeoutMs, signal: NEVER_ABORTED })
    try {
      await new Session({ client, processId }, limit.signal).command('look', cleaning)
      client.release()
    } catch {
      client.release(true)
    } finally {
      limit.clear()
      this.#places.give()
    }
  }
}

/** A connection of its own, closed afterwards. */
export async function withOwnSession<T>(
  config: ClientConfig,
  patience: Patience,
  run: (session: Session) => Promise<T>,
): Promise<T> {
  const client = new Client(config)
  client.on('error', () => {})
  const limit = limitOf(patience)
  try {
    try {
      await client.connect()
    } catch (error) {
      throw failureOf(error, 'connect')
    }
    return await run(new Session({ client, processId: processIdOf(client) }, limit.signal))
  } finally {
    limit.clear()
    // What it says when it fails, or hangs, is of no interest any more.
    void client.end().catch(() => {})
  }
}

/** Fires at the deadline, or with the caller's signal. */
function limitOf({ deadlineMs, signal }: Patience): { readonly signal: AbortSignal; clear(): void } {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  const timer = setTimeout(abort, leftMs(deadlineMs))
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  return {
    signal: controller.signal,
    clear: () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    },
  }
}

/** The driver knows it from the server's greeting, and its types don't. */
function processIdOf(client: Client): number {
  const { processID } = client as Client & { readonly processID?: unknown }
  return typeof processID === 'number' ? processID : 0
}
