/**
 * The same job on two database servers: the sink in PostgreSQL, the offset in MariaDB, both private ones that the demo
 * starts, may kill, and stops. What the processor does is in ./database-job.ts.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { assert } from '../base/assert.ts'
import { GROUP } from './names.ts'
import { type DatabaseServer, startMariadb, startPostgres } from './servers/index.ts'
import type { Counts, ServeArguments, ServerParty, StoreParty, Stores } from './stores.ts'

/** No key over `event`: the sink can hold an event twice, and only so can a duplicate be seen. */
const SINK_TABLE =
  'CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event integer NOT NULL, payload text NOT NULL)'

const OFFSET_TABLE =
  'CREATE TABLE consumer_offset (consumer varchar(64) NOT NULL PRIMARY KEY, owner_epoch bigint NOT NULL, position bigint NOT NULL) ENGINE = InnoDB'

/** As the databases show the names of our branches. */
const OURS = 'pledged/'

export class DatabaseStores implements Stores {
  readonly kind = 'databases'
  readonly title = 'PostgreSQL + MariaDB'
  readonly offsetsFile: string
  readonly #servers: Partial<Record<ServerParty, DatabaseServer>> = {}
  readonly #sinkFile: string
  #urls: Readonly<Record<StoreParty, string>> | undefined

  /** The files that hold the URLs are made in the directory. The servers' data are not: they go with the servers. */
  constructor(directory: string) {
    this.#sinkFile = join(directory, 'sink.url')
    this.offsetsFile = join(directory, 'offsets.url')
  }

  get servers(): Readonly<Partial<Record<ServerParty, DatabaseServer>>> {
    return this.#servers
  }

  async start(): Promise<void> {
    // One after the other, so that the failure of one leaves no other on its way up.
    const postgres = await startPostgres()
    this.#servers.postgres = postgres
    const mariadb = await startMariadb()
    this.#servers.mariadb = mariadb
    const urls = {
      sink: await postgres.createDatabase('sink'),
      offsets: await mariadb.createDatabase('offsets'),
    }
    this.#urls = urls
    // By file: a password in the arguments of a process could be read by everyone.
    for (const [file, url] of [
      [this.#sinkFile, urls.sink],
      [this.offsetsFile, urls.offsets],
    ] as const) {
      writeFileSync(file, `${url}\n`, { mode: 0o600 })
    }
    await queryPostgres(urls.sink, [SINK_TABLE])
    await queryMariadb(urls.offsets, [OFFSET_TABLE, `INSERT INTO consumer_offset VALUES ('${GROUP}', 0, 0)`])
  }

  serve(party: StoreParty): ServeArguments {
    return party === 'sink'
      ? { kind: 'postgres', flags: ['--url-file', this.#sinkFile] }
      : { kind: 'mysql', flags: ['--url-file', this.offsetsFile] }
  }

  async count(): Promise<Counts> {
    const { postgres, mariadb } = this.#servers
    assert(
      this.#urls !== undefined && postgres !== undefined && mariadb !== undefined,
      'the servers were started',
    )
    const [sink] = await queryPostgres(this.#urls.sink, [
      'SELECT count(*) AS rows, count(DISTINCT event) AS distinct_events FROM events',
    ])
    const [offset] = await queryMariadb(this.#urls.offsets, ['SELECT position FROM consumer_offset'])
    // By their administrators, who see the branches of every user.
    const gids = await queryPostgres(postgres.url, [
      `SELECT gid FROM pg_prepared_xacts WHERE gid LIKE '${OURS}%'`,
    ])
    const names = await queryMariadb(mariadb.url, ['XA RECOVER'])
    return {
      sinkRows: Number(sink?.['rows']),
      distinct: Number(sink?.['distinct_events']),
      offset: Number(offset?.['position']),
      held: gids.length + names.filter(({ data }) => String(data).startsWith(OURS)).length,
    }
  }

  async stop(): Promise<void> {
    for (const server of Object.values(this.#servers)) await server.stop()
  }
}

type Row = Readonly<Record<string, unknown>>

/** Answers with the rows of the last statement. */
async function queryPostgres(url: string, statements: readonly string[]): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    let rows: readonly Row[] = []
    for (const sql of statements) rows = (await client.query<Row>(sql)).rows
    return rows
  } finally {
    await client.end()
  }
}

/** Answers with the rows of the last statement. */
async function queryMariadb(url: string, statements: readonly string[]): Promise<readonly Row[]> {
  const connection = await mysql.createConnection(url)
  try {
    let rows: readonly Row[] = []
    for (const sql of statements) {
      const [result] = await connection.query(sql)
      rows = Array.isArray(result) ? (result as Row[]) : []
    }
    return rows
  } finally {
    await connection.end()
  }
}
