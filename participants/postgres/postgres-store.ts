/**
 * The branch store over PostgreSQL. Two pools: what waits for locks (the work) never keeps what gives them back (the
 * ends) from a connection.
 */
import { type ClientConfig, escapeLiteral } from 'pg'
import {
  type CoordinatorIdentity,
  type HeldPage,
  PledgedError,
  type Verb,
  type Vote,
  type Xid,
} from '../../src/sdk/participant/index.ts'
import type { BranchStore, PledgeRequest, WitnessOutcome } from '../shared/servers/branch-store.ts'
import { DatabaseFailure } from '../shared/servers/database-failure.ts'
import type { ServerLimits } from '../shared/servers/limits.ts'
import { leftMs, type Patience } from '../shared/servers/places.ts'
import { contradicts } from '../shared/servers/server-participant.ts'
import { pledgeBranch } from './branch-transaction.ts'
import type { DatabaseAddress } from './connection-url.ts'
import { kindOf } from './errors.ts'
import { listHeld } from './held-list.ts'
import { gidOf } from './names.ts'
import { checkDatabase, type OpenedDatabase, WHERE_AM_I, type Whereabouts } from './opening.ts'
import type { Session } from './session.ts'
import { NEVER_ABORTED, SessionPool, withOwnSession } from './session-pool.ts'
import { SQL } from './tables.ts'

export interface PostgresStoreOptions {
  readonly branch: string
  readonly address: DatabaseAddress
  readonly poolSize: number
  readonly lockTimeoutMs: number
  readonly limits: ServerLimits
}

/** Room for what was prepared and isn't known of yet: an answer that was lost, a count that is a moment old. */
const SPARE_SHARE = 0.05
/** A quarter of the connections, and at least two, end branches; at least two do work. */
export const POOL_SIZE_MIN = 4

export class PostgresStore implements BranchStore {
  readonly #options: PostgresStoreOptions
  readonly #config: ClientConfig
  readonly #work: SessionPool
  readonly #control: SessionPool
  #opened: OpenedDatabase | undefined

  constructor(options: PostgresStoreOptions) {
    this.#options = options
    this.#config = configOf(options)
    const controlSize = Math.max(2, Math.floor(options.poolSize / 4))
    this.#control = new SessionPool({
      config: this.#config,
      max: controlSize,
      admit: (session) => this.#admitControl(session),
      cleaningTimeoutMs: options.limits.answerTimeoutMs,
    })
    this.#work = new SessionPool({
      config: this.#config,
      max: Math.max(2, options.poolSize - controlSize),
      admit: (session) => this.#refuseElsewhere(session),
      cleaningTimeoutMs: options.limits.answerTimeoutMs,
      terminate: (processId) => this.#terminate(processId),
      cleaning: 'DISCARD ALL',
    })
  }

  async open(): Promise<{ readonly resourceId: string }> {
    try {
      this.#opened = await withOwnSession(this.#config, this.#patience(), checkDatabase)
      // Connections of before may lead to what stood at the address then.
      for (const pool of [this.#work, this.#control]) pool.distrust()
      return { resourceId: this.#opened.resourceId }
    } catch (error) {
      throw this.#cannotOpen(error)
    }
  }

  async branchesMax(own: number): Promise<number> {
    const text = `SELECT current_setting('max_prepared_transactions')::int AS max, (SELECT count(*) FROM pg_prepared_xacts)::int AS held`
    const [row] = await this.#look<{ max: number; held: number }>(text, [])
    if (row === undefined) return 1
    const others = Math.max(0, row.held - own)
    return Math.max(1, row.max - others - Math.ceil(row.max * SPARE_SHARE))
  }

  async raiseEpoch({ logId, epoch }: CoordinatorIdentity): Promise<string | undefined> {
    const { tables } = this.#database()
    return this.#control.use(this.#patience(), async (session) => {
      await session.command('end', 'BEGIN')
      const inserted = await session.rows('end', SQL.insertLog(tables), [logId, epoch])
      let known: string | undefined
      if (inserted.length === 0) {
        const [row] = await session.rows<{ epoch: string }>('end', SQL.lockLog(tables), [logId])
        known = row?.epoch
      }
      const isRefused = known !== undefined && contradicts(epoch, known)
      if (known !== undefined && !isRefused) await session.rows('end', SQL.raiseLog(tables), [logId, epoch])
      await session.command('end', isRefused ? 'ROLLBACK' : 'COMMIT')
      return known
    })
  }

  async pledge(request: PledgeRequest): Promise<Vote> {
    const { branch, lockTimeoutMs } = this.#options
    const patience = { deadlineMs: performance.now() + request.timeoutMs, signal: request.signal }
    const database = this.#database()
    return this.#work.use(patience, (session) => {
      const timeoutMs = Math.max(1, leftMs(patience.deadlineMs))
      return pledgeBranch(session, { ...request, timeoutMs }, { branch, database, lockTimeoutMs })
    })
  }

  async end(verb: Verb, xid: Xid): Promise<'ended' | 'not_prepared'> {
    const statement = verb === 'commit' ? 'COMMIT PREPARED' : 'ROLLBACK PREPARED'
    try {
      await this.#control.use(this.#patience(), (session) =>
        session.command('end', `${statement} ${escapeLiteral(this.#gidOf(xid))}`),
      )
      return 'ended'
    } catch (error) {
      if (error instanceof DatabaseFailure && error.code === '42704') return 'not_prepared'
      throw error
    }
  }

  async isPrepared(xid: Xid): Promise<boolean> {
    const text =
      'SELECT pg_is_in_recovery() AS is_replica, EXISTS (SELECT FROM pg_prepared_xacts WHERE gid = $1) AS is_prepared'
    const [row] = await this.#look<{ is_replica: boolean; is_prepared: boolean }>(text, [this.#gidOf(xid)])
    return primaryOnly(row).is_prepared
  }

  async witness(xid: Xid): Promise<WitnessOutcome | undefined> {
    const text = SQL.witness(this.#database().tables)
    const [row] = await this.#look<{ is_replica: boolean; outcome: WitnessOutcome | null }>(text, [
      xid,
      this.#options.branch,
    ])
    return primaryOnly(row).outcome ?? undefined
  }

  async insertAborted(xid: Xid): Promise<'inserted' | 'exists'> {
    const text = SQL.insertAborted(this.#database().tables)
    const rows = await this.#control.use(this.#patience(), (session) =>
      session.rows('end', text, [xid, this.#options.branch]),
    )
    return rows.length === 1 ? 'inserted' : 'exists'
  }

  async removeWitnesses(xids: readonly Xid[]): Promise<void> {
    const text = SQL.removeWitnesses(this.#database().tables)
    await this.#control.use(this.#patience(), (session) =>
      session.rows('end', text, [xids, this.#options.branch]),
    )
  }

  async list(pageSize: number, pageToken: string): Promise<HeldPage> {
    const { branch } = this.#options
    const { tables } = this.#database()
    return this.#control.use(this.#patience(), (session) =>
      listHeld(session, { branch, tables, pageSize, pageToken }),
    )
  }

  async close(): Promise<void> {
    await Promise.all([this.#work.close(), this.#control.close()])
  }

  #gidOf(xid: Xid): string {
    return gidOf(xid, this.#options.branch)
  }

  #look<Row extends Record<string, unknown>>(
    text: string,
    values: readonly unknown[],
  ): Promise<readonly Row[]> {
    return this.#control.use(this.#patience(), (session) => session.rows<Row>('look', text, values))
  }

  /** Of what isn't a branch's work: the coordinator asks again. */
  #patience(): Patience {
    return { deadlineMs: performance.now() + this.#options.limits.answerTimeoutMs, signal: NEVER_ABORTED }
  }

  #database(): OpenedDatabase {
    if (this.#opened !== undefined) return this.#opened
    throw new PledgedError(
      'UNAVAILABLE',
      `participant "${this.#options.branch}" has not opened its database yet`,
    )
  }

  async #admitControl(session: Session): Promise<void> {
    await this.#refuseElsewhere(session)
    const settings = [
      ...this.#database().settings,
      'statement_timeout = 0',
      `idle_in_transaction_session_timeout = ${this.#options.limits.answerTimeoutMs}`,
      `lock_timeout = ${this.#options.limits.barLockTimeoutMs}`,
      // A look is to see what is committed now, and to wait for nobody.
      "default_transaction_isolation = 'read committed'",
    ]
    await session.script('connect', settings.map((setting) => `SET ${setting}`).join('; '))
  }

  /** R10: behind the address there may be another server by now, or a replica of ours. */
  async #refuseElsewhere(session: Session): Promise<void> {
    const [row] = await session.rows<{ is_replica: boolean; resource_id: string }>('connect', WHERE_AM_I)
    const { resource_id } = primaryOnly<Whereabouts>(row)
    const { resourceId } = this.#database()
    if (resource_id === resourceId) return
    throw notHere(`another database (${resource_id}) answers at the address of ${resourceId}`)
  }

  /** A statement that nobody waits for would hold its locks until it ends. */
  async #terminate(processId: number): Promise<void> {
    if (processId === 0) return
    try {
      await this.#look('SELECT pg_terminate_backend($1::int)', [processId])
    } catch {
      // The server ends it when the statement does, at its timeout at the latest.
    }
  }

  #cannotOpen(error: unknown): unknown {
    const { branch, address } = this.#options
    if (error instanceof PledgedError) {
      return new PledgedError(
        error.code,
        `participant "${branch}" can not pledge at ${placeOf(address)}: ${error.message}`,
      )
    }
    if (!(error instanceof DatabaseFailure)) return error
    const code = kindOf(error.code).retryable ? 'UNAVAILABLE' : 'CONFIGURATION'
    return new PledgedError(
      code,
      `participant "${branch}" can not use the database at ${placeOf(address)}: ${error.message}`,
      {
        cause: error,
      },
    )
  }
}

function primaryOnly<Row extends { readonly is_replica: boolean }>(row: Row | undefined): Row {
  if (row !== undefined && !row.is_replica) return row
  throw notHere('the server is a replica, which does not know what became of a branch')
}

function notHere(what: string): DatabaseFailure {
  return new DatabaseFailure('25006', what, { effect: 'not_done', retryable: true, connectionLost: true })
}

function placeOf({ host, port, database, user }: DatabaseAddress): string {
  return `${host}:${port}/${database} as ${user}`
}

function configOf({ branch, address, limits }: PostgresStoreOptions): ClientConfig {
  const { host, port, user, password, database, ssl } = address
  return {
    host,
    port,
    user,
    database,
    ssl,
    // By a function: the driver would look for an empty one in the environment and in ~/.pgpass.
    password: () => password,
    application_name: `pledged ${branch}`,
    connectionTimeoutMillis: limits.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  }
}
