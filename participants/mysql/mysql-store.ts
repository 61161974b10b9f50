/** MySQL and MariaDB as a BranchStore: what each part of this folder does, under one roof. */

import type { Verb, Vote, Xid } from '../../src/sdk/participant/index.ts'
import { type CoordinatorIdentity, type HeldPage, PledgedError } from '../../src/sdk/participant/index.ts'
import type { BranchStore, PledgeRequest, WitnessOutcome } from '../shared/servers/branch-store.ts'
import { DatabaseFailure } from '../shared/servers/database-failure.ts'
import type { ServerLimits } from '../shared/servers/limits.ts'
import { Catalogue } from './catalogue.ts'
import type { DatabaseAddress } from './connection-url.ts'
import { Connections } from './connections.ts'
import { Ending } from './ending.ts'
import { kindOf } from './errors.ts'
import { HeldSessions } from './held-sessions.ts'
import { READ_RESOURCE_ID, resourceIdOf } from './identity.ts'
import { sharesOf } from './limits.ts'
import { Logs } from './logs.ts'
import { Pledging } from './pledging.ts'
import { recoveredXids } from './recovered.ts'
import { Scanning } from './scanning.ts'
import { checkServer, type ServerFacts } from './server-checks.ts'
import type { Session, StatementOptions } from './session.ts'
import { ensureResourceId, ensureTables } from './tables.ts'
import { Witnesses } from './witnesses.ts'

export interface MysqlStoreOptions {
  readonly branch: string
  readonly address: DatabaseAddress
  readonly poolSize: number
  readonly lockTimeoutMs: number
  readonly limits: ServerLimits
}

/** What the last opening found. */
interface Database {
  readonly facts: ServerFacts
  /** Of the row in pledged_meta. */
  readonly drawnId: string
  readonly resourceId: string
}

export class MysqlStore implements BranchStore {
  readonly #options: MysqlStoreOptions
  readonly #connections: Connections
  readonly #held = new HeldSessions()
  readonly #pledging: Pledging
  readonly #ending: Ending
  readonly #scanning: Scanning
  readonly #witnesses: Witnesses
  readonly #logs: Logs
  #database: Database | undefined

  constructor(options: MysqlStoreOptions) {
    const { branch, address, poolSize, lockTimeoutMs, limits } = options
    const { answerTimeoutMs } = limits
    this.#options = options
    const connections = new Connections({
      address,
      shares: sharesOf(poolSize),
      limits,
      vet: (session) => this.#refuseElsewhere(session),
    })
    this.#connections = connections
    const parts = { branch, connections, held: this.#held, answerTimeoutMs }
    this.#pledging = new Pledging({
      ...parts,
      catalogue: new Catalogue({
        connections,
        database: () => this.#opened().facts.database,
        answerTimeoutMs,
      }),
      flavour: () => this.#opened().facts.flavour,
      lockTimeoutMs,
    })
    this.#ending = new Ending(parts)
    this.#scanning = new Scanning(parts)
    this.#witnesses = new Witnesses(parts)
    this.#logs = new Logs(parts)
  }

  async open(): Promise<{ readonly resourceId: string }> {
    try {
      this.#database = await this.#connections.opening((session) => this.#check(session))
      return { resourceId: this.#database.resourceId }
    } catch (error) {
      throw this.#cannotOpen(error)
    }
  }

  branchesMax(): Promise<number> {
    return Promise.resolve(this.#connections.shares.work)
  }

  raiseEpoch(coordinator: CoordinatorIdentity): Promise<string | undefined> {
    return this.#logs.raise(coordinator)
  }

  pledge(request: PledgeRequest): Promise<Vote> {
    return this.#pledging.pledge(request)
  }

  end(verb: Verb, xid: Xid): Promise<'ended' | 'not_prepared'> {
    return this.#ending.end(verb, xid)
  }

  isPrepared(xid: Xid): Promise<boolean> {
    return this.#scanning.isPrepared(xid)
  }

  witness(xid: Xid): Promise<WitnessOutcome | undefined> {
    return this.#witnesses.read(xid)
  }

  insertAborted(xid: Xid): Promise<'inserted' | 'exists'> {
    return this.#witnesses.insertAborted(xid)
  }

  removeWitnesses(xids: readonly Xid[]): Promise<void> {
    return this.#witnesses.remove(xids)
  }

  list(pageSize: number, pageToken: string): Promise<HeldPage> {
    return this.#scanning.list(pageSize, pageToken)
  }

  async close(): Promise<void> {
    this.#held.destroyAll()
    await this.#connections.close()
  }

  async #check(session: Session): Promise<Database> {
    const options = this.#look()
    const facts = await checkServer(session, options)
    await this.#seeWhatIsPrepared(session, facts)
    const table = { ...options, phase: 'end', user: facts.user } as const
    await ensureTables(session, table)
    const drawnId = await ensureResourceId(session, table)
    return { facts, drawnId, resourceId: resourceIdOf({ ...facts, drawnId }) }
  }

  /** R10: at the first use of each connection. */
  async #refuseElsewhere(session: Session): Promise<void> {
    const { drawnId, facts } = this.#opened()
    const [row] = await session.rows(READ_RESOURCE_ID, [], this.#look())
    const [server] =
      facts.serverUuid === undefined ? [] : await session.rows('SELECT @@server_uuid AS id', [], this.#look())
    if (row?.['value'] === drawnId && server?.['id'] === facts.serverUuid) return
    throw new DatabaseFailure('1049', 'another database answers at this address than at the attach', {
      effect: 'not_done',
      retryable: true,
      connectionLost: true,
    })
  }

  #look(): StatementOptions {
    return { phase: 'look', answerTimeoutMs: this.#options.limits.answerTimeoutMs }
  }

  async #seeWhatIsPrepared(session: Session, { user }: ServerFacts): Promise<void> {
    try {
      await recoveredXids(session, this.#options.branch, this.#look())
    } catch (error) {
      if (!(error instanceof DatabaseFailure) || error.connectionLost) throw error
      throw new PledgedError(
        'CONFIGURATION',
        `XA RECOVER is refused, without which nobody knows what is prepared: GRANT XA_RECOVER_ADMIN ON *.* TO ${user} (${error.message})`,
      )
    }
  }

  #opened(): Database {
    if (this.#database !== undefined) return this.#database
    throw new PledgedError(
      'UNAVAILABLE',
      `participant "${this.#options.branch}" has not opened its database yet`,
    )
  }

  #cannotOpen(error: unknown): unknown {
    const { branch, address } = this.#options
    const { host, port, socket, database, user } = address
    const place = `${socket ?? `${host}:${port}`}/${database} as ${user}`
    if (error instanceof PledgedError) {
      return new PledgedError(
        error.code,
        `participant "${branch}" can not pledge at ${place}: ${error.message}`,
      )
    }
    if (!(error instanceof DatabaseFailure)) return error
    const code = kindOf(error.code).retryable ? 'UNAVAILABLE' : 'CONFIGURATION'
    return new PledgedError(
      code,
      `participant "${branch}" can not use the database at ${place}: ${error.message}`,
      { cause: error },
    )
  }
}
