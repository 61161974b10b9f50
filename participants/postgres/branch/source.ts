/**
 * Where a branch's connection comes from, and goes to: a pool's, or the application's own client, which one branch at a
 * time may use.
 */
import type { ClientBase, Pool, PoolClient } from 'pg'
import { PledgedError } from '../../../src/sdk/participant/index.ts'
import { takenWithin, type Until } from '../../shared/connections/patience.ts'
import { failureOf } from '../errors.ts'

export type PostgresSource = Pool | ClientBase

export interface TakenClient {
  readonly client: ClientBase
  /** In no transaction, and with nothing outstanding. */
  giveBack(): void
  /** The server rolls back what isn't prepared, and lets go of its locks, as soon as it notices. */
  destroy(): void
  /** Where there is a pool: by another of its connections. Doesn't reject. */
  terminate(processId: number): Promise<void>
}

/** Clients that do a branch's work now. */
const busy = new WeakSet<ClientBase>()

export async function takeClient(source: PostgresSource, until: Until): Promise<TakenClient> {
  if (isPool(source)) return fromPool(source, until)
  refuseUnready(source)
  busy.add(source)
  return watched(source, {
    giveBack: () => {
      busy.delete(source)
    },
    destroy: () => {
      busy.delete(source)
      void (source as ClientBase & { end(): Promise<void> }).end().catch(() => {})
    },
    terminate: () => Promise.resolve(),
  })
}

async function fromPool(pool: Pool, until: Until): Promise<TakenClient> {
  return takenWithin(until, connected(pool), (late) => late.giveBack())
}

/**
 * By callback: what the server says behind its greeting, in the same packet, is heard before a promise would be, and by then
 * the pool doesn't listen any more.
 */
function connected(pool: Pool): Promise<TakenClient> {
  const taken = Promise.withResolvers<TakenClient>()
  pool.connect((error, client) => {
    if (client === undefined) taken.reject(failureOf(error, 'connect'))
    else taken.resolve(ofPool(pool, client))
  })
  return taken.promise
}

function ofPool(pool: Pool, client: PoolClient): TakenClient {
  return watched(client, {
    giveBack: () => client.release(),
    destroy: () => client.release(true),
    terminate: async (processId) => {
      await pool.query('SELECT pg_terminate_backend($1::int)', [processId]).then(
        () => {},
        () => {},
      )
    },
  })
}

/** While it is lent, a client that breaks is heard of by the next statement; nobody else would hear it, and Node would stop. */
function watched(client: ClientBase, ways: Omit<TakenClient, 'client'>): TakenClient {
  const onError = (): void => {}
  client.on('error', onError)
  let isOver = false
  const once = (way: () => void) => (): void => {
    if (isOver) return
    isOver = true
    way()
    // One that is being closed may still have something to say.
    if (way === ways.giveBack) client.off('error', onError)
  }
  return { ...ways, client, giveBack: once(ways.giveBack), destroy: once(ways.destroy) }
}

function isPool(source: PostgresSource): source is Pool {
  return 'totalCount' in source
}

function refuseUnready(client: ClientBase): void {
  const { processID } = client as ClientBase & { readonly processID?: unknown }
  // The driver learns it when it is connected; pg-native has none.
  if (processID === null) {
    throw misuse('is not connected: await client.connect() first, or give a Pool')
  }
  if (busy.has(client)) {
    throw misuse('does the work of another branch: give each its own client, or a Pool')
  }
  if (isInTransaction(client)) {
    throw misuse('is in a transaction: end it first, since a branch is a transaction of its own')
  }
}

/** By the driver, which reads it in each answer of the server's. */
export function isInTransaction(client: ClientBase): boolean {
  const { getTransactionStatus } = client as Partial<Pick<ClientBase, 'getTransactionStatus'>>
  const status = getTransactionStatus?.call(client)
  return status === 'T' || status === 'E'
}

function misuse(what: string): PledgedError {
  return new PledgedError('INVALID_REQUEST', `the client of the branch ${what}`)
}
