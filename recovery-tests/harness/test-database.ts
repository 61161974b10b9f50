/**
 * A database in a private server of its own, behind a proxy that cuts; and what a person would do to it by hand, as
 * its administrator, past the proxy.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { assert, present } from '../../src/base/assert.ts'
import { messageOf } from '../../src/base/errors.ts'
import {
  type DatabaseServer,
  type ServerOptions,
  startMariadb,
  startPostgres,
} from '../../src/demo/servers/index.ts'
import { CuttingProxy } from './cutting-proxy.ts'

const STILL_ATTACHED_MS = 30_000

export type Row = Readonly<Record<string, unknown>>

/** As the server lists it. */
interface PreparedBranch {
  /** `pledged/<xid>/<branch>`. */
  readonly name: string
  /** What ends it by hand, without the verb. */
  readonly identifier: string
}

export class TestDatabase {
  readonly server: DatabaseServer
  readonly proxy: CuttingProxy
  readonly name: string
  /** Of a user of its own, past the proxy. */
  readonly url: string

  private constructor(server: DatabaseServer, proxy: CuttingProxy, name: string, url: string) {
    this.server = server
    this.proxy = proxy
    this.name = name
    this.url = url
  }

  static async start(
    kind: DatabaseServer['kind'],
    name: string,
    options: ServerOptions = {},
  ): Promise<TestDatabase> {
    const server = await (kind === 'postgres' ? startPostgres(options) : startMariadb(options))
    return new TestDatabase(
      server,
      await CuttingProxy.start(server.port),
      name,
      await server.createDatabase(name),
    )
  }

  /** What a participant is given. */
  get participantUrl(): string {
    return this.proxy.through(this.url)
  }

  /** The kind of participant that it takes. */
  get participantKind(): 'postgres' | 'mysql' {
    return this.server.kind === 'postgres' ? 'postgres' : 'mysql'
  }

  /** As its administrator, in this database. */
  query(sql: string): Promise<Row[]> {
    return this.server.kind === 'postgres'
      ? queryPostgres(this.#adminUrl, sql)
      : queryMariadb(this.#adminUrl, sql)
  }

  /** Branches of ours that are prepared in this server, in its own words. */
  async prepared(): Promise<string[]> {
    return (await this.#listPrepared()).map(({ name }) => name)
  }

  /** What a person types into psql or mariadb, for the branch of this xid. */
  async endByHand(xid: string, verb: 'commit' | 'rollback'): Promise<void> {
    const branch = (await this.#listPrepared()).find(({ name }) => name.startsWith(`pledged/${xid}/`))
    assert(branch !== undefined, `${xid} is prepared in ${this.server.kind}`)
    await this.#end(branch, verb)
  }

  async rollBackAllByHand(): Promise<void> {
    for (const branch of await this.#listPrepared()) await this.#end(branch, 'rollback')
  }

  /**
   * As often as a person would. MariaDB lists a branch, and doesn't know it (XAER_NOTA), while it is still on the connection that
   * prepared it: that one is cut, and the server has not noticed yet.
   */
  async #end({ identifier }: PreparedBranch, verb: 'commit' | 'rollback'): Promise<void> {
    const words = this.server.kind === 'postgres' ? `${verb} PREPARED` : `XA ${verb}`
    const endMs = performance.now() + STILL_ATTACHED_MS
    for (;;) {
      try {
        await this.query(`${words} ${identifier}`)
        return
      } catch (error) {
        if (!messageOf(error).startsWith('XAER_NOTA') || performance.now() > endMs) throw error
      }
      await sleep(20)
    }
  }

  /** Runs this in a transaction of an administrator's, and holds its locks; resolves with what commits it. */
  async hold(sql: string): Promise<() => Promise<void>> {
    return this.server.kind === 'postgres'
      ? holdPostgres(this.#adminUrl, sql)
      : holdMariadb(this.#adminUrl, sql)
  }

  async stop(): Promise<void> {
    await this.proxy.close()
    await this.server.stop()
  }

  get #adminUrl(): string {
    const url = new URL(this.server.url)
    url.pathname = `/${this.name}`
    return url.href
  }

  async #listPrepared(): Promise<PreparedBranch[]> {
    const rows = await this.query(
      this.server.kind === 'postgres' ? 'SELECT gid FROM pg_prepared_xacts' : 'XA RECOVER',
    )
    const found = rows.map(this.server.kind === 'postgres' ? preparedInPostgres : preparedInMariadb)
    return found.filter(({ name }) => name.startsWith('pledged/'))
  }
}

function preparedInPostgres({ gid }: Row): PreparedBranch {
  return { name: String(gid), identifier: pg.escapeLiteral(String(gid)) }
}

function preparedInMariadb(row: Row): PreparedBranch {
  const data = String(row['data'])
  const length = Number(row['gtrid_length'])
  const [gtrid, bqual] = [data.slice(0, length), data.slice(length)]
  return { name: `${gtrid}/${bqual}`, identifier: `'${gtrid}','${bqual}',${String(row['formatID'])}` }
}

async function queryPostgres(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query<Row>(sql)).rows
  } finally {
    await client.end()
  }
}

async function queryMariadb(url: string, sql: string): Promise<Row[]> {
  const connection = await mysql.createConnection({ uri: url, multipleStatements: true })
  try {
    const [rows] = await connection.query(sql)
    return Array.isArray(rows) ? (rows as Row[]) : []
  } finally {
    connection.destroy()
  }
}

async function holdPostgres(url: string, sql: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  await client.query(`BEGIN; ${sql}`)
  return async () => {
    await client.query('COMMIT')
    await client.end()
  }
}

async function holdMariadb(url: string, sql: string): Promise<() => Promise<void>> {
  const connection = await mysql.createConnection(url)
  await connection.beginTransaction()
  await connection.query(sql)
  return async () => {
    await connection.commit()
    await connection.end()
  }
}

/** The only row of a query that has one. */
export function only(rows: readonly Row[]): Row {
  return present(rows[0], 'the query has a row')
}
