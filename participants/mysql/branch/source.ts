/**
 * Where a branch's connection comes from, and goes to: a pool's, or the application's own, which one branch at a time may
 * use. Of the driver's two faces, with callbacks and with promises, the application has the one that it gave.
 */
import type {
  Connection as CallbackConnection,
  Pool as CallbackPool,
  PoolConnection as CallbackPoolConnection,
} from 'mysql2'
import type { Connection, Pool } from 'mysql2/promise'
import { PledgedError } from '../../../src/sdk/participant/index.ts'
import { takenWithin, type Until } from '../../shared/connections/patience.ts'
import { failureOf } from '../errors.ts'

export type PromiseSource = Pool | Connection
export type CallbackSource = CallbackPool | CallbackConnection
export type MysqlSource = PromiseSource | CallbackSource

export interface TakenConnection {
  readonly connection: CallbackConnection
  readonly face: 'callbacks' | 'promises'
  /** In no transaction, and with nothing outstanding. */
  giveBack(): void
  /** The server rolls back what isn't prepared, and keeps what is, for others to end, as soon as it notices. */
  destroy(): void
  /** Where there is a pool: by another of its connections. Doesn't reject. */
  terminate(sessionId: string): Promise<void>
}

/** Connections that do a branch's work now. */
const busy = new WeakSet<CallbackConnection>()

export async function takeConnection(source: MysqlSource, until: Until): Promise<TakenConnection> {
  const face = hasCallbacks(source) ? 'callbacks' : 'promises'
  const core = hasCallbacks(source) ? source : coreOf(source)
  if ('getConnection' in core) return fromPool(core, face, until)
  if (busy.has(core)) {
    throw new PledgedError(
      'INVALID_REQUEST',
      'the connection of the branch does the work of another one: give each its own, or a Pool',
    )
  }
  busy.add(core)
  return watched(core, {
    face,
    giveBack: () => {
      busy.delete(core)
    },
    destroy: () => {
      busy.delete(core)
      core.destroy()
    },
    terminate: () => Promise.resolve(),
  })
}

async function fromPool(
  pool: CallbackPool,
  face: TakenConnection['face'],
  until: Until,
): Promise<TakenConnection> {
  const taken = Promise.withResolvers<CallbackPoolConnection>()
  pool.getConnection((error, connection) => {
    if (error === null) taken.resolve(connection)
    else taken.reject(failureOf(error, 'connect'))
  })
  const connection = await takenWithin(until, taken.promise, (late) => late.release())
  return watched(connection, {
    face,
    giveBack: () => connection.release(),
    destroy: () => connection.destroy(),
    terminate: (sessionId) =>
      new Promise((resolve) => pool.query(`KILL CONNECTION ${sessionId}`, () => resolve())),
  })
}

/** While it is lent, a connection that breaks is heard of by the next statement; nobody else would hear it, and Node would stop. */
function watched(connection: CallbackConnection, ways: Omit<TakenConnection, 'connection'>): TakenConnection {
  const onError = (): void => {}
  connection.on('error', onError)
  let isOver = false
  const once = (way: () => void) => (): void => {
    if (isOver) return
    isOver = true
    way()
    // One that is being closed may still have something to say.
    if (way === ways.giveBack) connection.off('error', onError)
  }
  return { ...ways, connection, giveBack: once(ways.giveBack), destroy: once(ways.destroy) }
}

/** The driver's own objects have it; those with promises stand before them. */
function hasCallbacks(source: MysqlSource): source is CallbackSource {
  return 'promise' in source && typeof source.promise === 'function'
}

function coreOf(source: PromiseSource): CallbackSource {
  const { pool, connection } = source as {
    readonly pool?: CallbackPool
    readonly connection?: CallbackConnection
  }
  const core = pool ?? connection
  if (core !== undefined) return core
  throw new PledgedError(
    'INVALID_REQUEST',
    'the source of the branch is neither a Pool nor a Connection of mysql2: give what createPool or createConnection returned',
  )
}
