/** What a sqlite branch does: rehearse, record, prove that the record can be applied; and at the commit, apply it. */
import { type Vote, vote } from '../../src/sdk/participant/index.ts'
import { inTransaction, numberOf, textOf } from '../shared/files/database.ts'
import type { ParticipantLimits } from '../shared/files/limits.ts'
import { openDurable } from '../shared/files/opening.ts'
import type { HeldPledge } from '../shared/files/pledge-tables.ts'
import type { Resource, ResourceKind } from '../shared/files/resource.ts'
import { type Attempt, BrokenPledge, type PrepareContext } from '../shared/files/resource.ts'
import { explain, sqliteCodeOf } from '../shared/files/sqlite-errors.ts'
import { Refusal } from '../shared/refusal.ts'
import { decodeStatementWork, type NamedStatements, type StatementWork } from '../shared/statement-work.ts'
import { basisOf, refuseOtherBasis } from './basis.ts'
import { type Catalog, readCatalog, schemaVersionOf } from './catalog.ts'
import { installGuards, installKeyGuards } from './guards.ts'
import { openNodeSqlite, type RecordingDatabase } from './node-sqlite.ts'
import { type Rehearsed, rehearse } from './rehearsal.ts'
import { inspectStatement } from './statement-text.ts'

export interface SqliteResourceOptions {
  readonly file: string
  readonly statements?: NamedStatements | undefined
  readonly limits: ParticipantLimits
  /** Tests put a failing disk in its place. */
  readonly openDatabase?: ((file: string) => RecordingDatabase) | undefined
}

export function sqliteResourceKind(options: SqliteResourceOptions): ResourceKind<StatementWork> {
  const { file, limits, statements, openDatabase = openNodeSqlite } = options
  return {
    kind: 'sqlite',
    costOfDoubt: 'nobody else can write to the database',
    // Foreign keys are switched between the rehearsal and the application, which SQLite allows only in between.
    prepareMode: 'alone',
    decode: (work) =>
      decodeStatementWork(work, {
        inspect: inspectStatement,
        named: statements,
        workEntriesMax: limits.workEntriesMax,
      }),
    open: () => {
      const open = (): RecordingDatabase => openDatabase(file)
      const database = openDurable({ kind: 'sqlite', file, busyTimeoutMs: limits.busyTimeoutMs }, open)
      return { database, attach: () => new SqliteResource(database, limits) }
    },
  }
}

class SqliteResource implements Resource<StatementWork> {
  readonly #database: RecordingDatabase
  readonly #limits: ParticipantLimits
  /** Of the schema that the guards were last installed for. */
  #catalog: Catalog

  constructor(database: RecordingDatabase, limits: ParticipantLimits) {
    this.#database = database
    this.#limits = limits
    this.#catalog = this.#guard()
  }

  prepare(context: PrepareContext<StatementWork>): Attempt {
    for (let tries = 0; tries < this.#limits.prepareTriesMax; tries += 1) {
      const rehearsed = this.#rehearse(context)
      if (rehearsed === 'schema changed') {
        this.#catalog = this.#guard()
        continue
      }
      if (!('changeset' in rehearsed.result)) return rehearsed.result
      if (rehearsed.result.changeset.length === 0) return vote.readOnly()
      const voted = this.#pledge(context, rehearsed.result, rehearsed.dataVersion)
      if (voted !== undefined) return voted
    }
    throw new Refusal('another program writes to the database all the time', { retryable: true })
  }

  apply(held: HeldPledge): void {
    refuseOtherBasis(readCatalog(this.#database), held.basis)
    const obstacle = this.#obstacleTo(held.pledge)
    if (obstacle === undefined) return
    throw new BrokenPledge(
      `the recorded changes can not be applied, because the database was changed since: ${obstacle}`,
    )
  }

  /** What a pledge holds here is held by its in-doubt row alone. */
  release(): void {}

  #guard(): Catalog {
    return inTransaction(this.#database, () => {
      const found = readCatalog(this.#database)
      installGuards(this.#database, found)
      installKeyGuards(this.#database, found)
      return readCatalog(this.#database)
    })
  }

  #rehearse(
    context: PrepareContext<StatementWork>,
  ): 'schema changed' | { readonly result: Attempt | Rehearsed; readonly dataVersion: number } {
    const database = this.#database
    database.exec('PRAGMA foreign_keys = ON')
    try {
      database.exec('BEGIN IMMEDIATE')
      const dataVersion = this.#dataVersion()
      const standing = context.standing() ?? this.#holder()
      if (standing !== undefined) return { result: standing, dataVersion }
      if (schemaVersionOf(database) !== this.#catalog.schemaVersion) return 'schema changed'
      return { result: rehearse(database, this.#catalog, context.work), dataVersion }
    } finally {
      database.rollBack()
      database.exec('PRAGMA foreign_keys = OFF')
    }
  }

  /** Undefined: another program has written since the rehearsal, so that its record may no longer fit. */
  #pledge(
    context: PrepareContext<StatementWork>,
    rehearsed: Rehearsed,
    dataVersion: number,
  ): Vote | undefined {
    const { changeset, writtenTables } = rehearsed
    if (changeset.length > this.#limits.changesetBytesMax) {
      throw new Refusal(
        `the branch changes ${changeset.length} bytes; it may change ${this.#limits.changesetBytesMax}`,
      )
    }
    return inTransaction(this.#database, () => {
      if (this.#dataVersion() !== dataVersion) return undefined
      this.#proveApplicable(changeset)
      context.record({ pledge: changeset, basis: basisOf(this.#catalog, writtenTables) })
      return vote.yes()
    })
  }

  /** The commit will find the database as it is now (the guards see to it), so what works here works then. */
  #proveApplicable(changeset: Uint8Array): void {
    this.#database.exec('SAVEPOINT proof')
    const obstacle = this.#obstacleTo(changeset)
    this.#database.exec('ROLLBACK TO proof')
    this.#database.exec('RELEASE proof')
    if (obstacle !== undefined)
      throw new Refusal(`the changes can not be recorded so that they can be applied: ${obstacle}`)
  }

  #obstacleTo(changeset: Uint8Array): string | undefined {
    try {
      return this.#database.apply(changeset)
    } catch (error) {
      if (IMPOSSIBLE.has(sqliteCodeOf(error))) return explain(error)
      throw error
    }
  }

  #holder(): Attempt | undefined {
    const row = this.#database.get('SELECT xid FROM pledged_in_doubt LIMIT 1')
    return row === undefined ? undefined : { blockedBy: textOf(row, 'xid') }
  }

  /** Changes when another connection has committed, and not with our own commits. */
  #dataVersion(): number {
    return numberOf(this.#database.get('PRAGMA main.data_version'), 'data_version')
  }
}

/** Errors of an application that say that it will never work, rather than that it didn't now. */
const IMPOSSIBLE: ReadonlySet<string> = new Set(['SQLITE_ERROR', 'SQLITE_CONSTRAINT', 'SQLITE_MISMATCH'])
