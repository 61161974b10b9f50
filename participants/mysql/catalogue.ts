/**
 * Which tables no abort can undo: those of an engine without XA (MyISAM, Aria, MEMORY, CSV, ...). A statement that names
 * one and may write is refused before it runs, and so is one that gets there by a view, a trigger or a routine.
 *
 * Statements aren't parsed: every name in their text counts, which refuses more than it must (MyISAM tables that are
 * only read), and never less. What the user may not see is found by ./pledging.ts, after the fact.
 */
import type { Statement } from '../shared/statement-work.ts'
import type { Connections } from './connections.ts'
import { CATALOGUE_AGE_MAX_MS, CATALOGUE_NAMES_MAX } from './limits.ts'
import { type Row, type Session, type StatementOptions, textOf } from './session.ts'
import { namesIn, onlyReads, type UsedName } from './statement-text.ts'

const SYSTEM_SCHEMAS = ['mysql', 'sys', 'information_schema', 'performance_schema'] as const
const OWNERLESS = SYSTEM_SCHEMAS.map((schema) => `'${schema}'`).join(', ')

const TABLES = `SELECT table_schema AS db, table_name AS name, engine AS engine FROM information_schema.tables
  WHERE table_type = 'BASE TABLE' AND table_schema NOT IN (${OWNERLESS})
    AND engine NOT IN (SELECT engine FROM information_schema.engines WHERE xa = 'YES' AND engine IS NOT NULL)`
const BODIES = `
  SELECT table_schema AS db, table_name AS name, view_definition AS body FROM information_schema.views
   WHERE table_schema NOT IN (${OWNERLESS})
  UNION ALL
  SELECT event_object_schema, event_object_table, action_statement FROM information_schema.triggers
   WHERE event_object_schema NOT IN (${OWNERLESS})`
const ROUTINES = `SELECT routine_schema AS db, routine_name AS name, routine_definition AS body
  FROM information_schema.routines WHERE routine_schema NOT IN (${OWNERLESS})`

interface Contents {
  /** By `schema.name`: the engine. */
  readonly engines: ReadonlyMap<string, string>
  /** By `schema.name`: what is run where it is written, a view's query or a trigger's statement. */
  readonly bodies: ReadonlyMap<string, readonly string[]>
  readonly routines: ReadonlyMap<string, readonly string[]>
  readonly readAtMs: number
  /** The names of statements that this reading covers: one with others may use what has been made since. */
  readonly covered: Set<string>
}

export interface CatalogueOptions {
  readonly connections: Pick<Connections, 'side'>
  readonly database: () => string
  readonly answerTimeoutMs: number
}

export class Catalogue {
  readonly #options: CatalogueOptions
  #contents: Promise<Contents> | undefined

  constructor(options: CatalogueOptions) {
    this.#options = options
  }

  /** The first objection to the work; undefined where there is none. */
  async objectionTo(statements: readonly Statement[]): Promise<string | undefined> {
    const names = statements.map(({ sql }) => namesIn(sql))
    const contents = await this.#covering(names.map(keyOf))
    for (const [index, { place, sql }] of statements.entries()) {
      const problem = this.#problemOf(names[index] ?? [], onlyReads(sql), contents)
      if (problem !== undefined) return `${place} ${problem}`
    }
    return undefined
  }

  #problemOf(names: readonly UsedName[], reads: boolean, contents: Contents): string | undefined {
    if (!reads && names.some(({ qualifier }) => SYSTEM_SCHEMAS.some((schema) => schema === qualifier))) {
      return "names a table of the server's own, and may write it: its engine has no transactions"
    }
    if (contents.engines.size === 0) return undefined
    const found = untransactionalIn(names, this.#options.database().toLowerCase(), contents, reads)
    if (found === undefined) return undefined
    return (
      `may write ${found}, whose engine ${contents.engines.get(found) ?? ''} has no transactions, so that an abort could not ` +
      `undo it: ALTER TABLE ${found} ENGINE=InnoDB, or leave it out of branches`
    )
  }

  async #covering(keys: readonly string[]): Promise<Contents> {
    const known = await this.#contents?.catch(() => undefined)
    if (known !== undefined && performance.now() - known.readAtMs <= CATALOGUE_AGE_MAX_MS) {
      if (keys.every((key) => known.covered.has(key))) return known
    }
    const reading = this.#options.connections.side((session) => this.#read(session))
    this.#contents = reading
    // Whoever asks next hears of the failure by an attempt of his own.
    reading.catch(() => {})
    const contents = await reading
    if (contents.covered.size > CATALOGUE_NAMES_MAX) contents.covered.clear()
    for (const key of keys) contents.covered.add(key)
    return contents
  }

  async #read(session: Session): Promise<Contents> {
    const options: StatementOptions = { phase: 'look', answerTimeoutMs: this.#options.answerTimeoutMs }
    const readAtMs = performance.now()
    const tables = await session.rows(TABLES, [], options)
    const engines = new Map(tables.map((row) => [placeOf(row), textOf(row, 'engine')]))
    const needed = engines.size > 0
    const bodies = grouped(needed ? await session.rows(BODIES, [], options) : [])
    const routines = grouped(needed ? await session.rows(ROUTINES, [], options) : [])
    return { engines, bodies, routines, readAtMs, covered: new Set() }
  }
}

/** Follows names into the bodies behind them. What is only read may still call what writes. */
function untransactionalIn(
  names: readonly UsedName[],
  schema: string,
  contents: Contents,
  onlyCalls: boolean,
): string | undefined {
  const seen = new Set<string>()
  const follow = (used: readonly UsedName[], inSchema: string, callsAlone: boolean): string | undefined => {
    for (const { qualifier, name } of used) {
      const place = `${qualifier ?? inSchema}.${name}`
      if (!callsAlone && contents.engines.has(place)) return place
      const key = `${callsAlone} ${place}`
      if (seen.has(key)) continue
      seen.add(key)
      const behind = [
        ...(contents.routines.get(place) ?? []),
        ...(callsAlone ? [] : (contents.bodies.get(place) ?? [])),
      ]
      for (const body of behind) {
        const found = follow(namesIn(body), qualifier ?? inSchema, false)
        if (found !== undefined) return found
      }
    }
    return undefined
  }
  return follow(names, schema, onlyCalls)
}

function grouped(rows: readonly Row[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>()
  for (const row of rows) {
    const bodies = groups.get(placeOf(row)) ?? []
    bodies.push(textOf(row, 'body'))
    groups.set(placeOf(row), bodies)
  }
  return groups
}

function placeOf(row: Row): string {
  return `${textOf(row, 'db')}.${textOf(row, 'name')}`.toLowerCase()
}

function keyOf(names: readonly UsedName[]): string {
  return names.map(({ qualifier, name }) => `${qualifier ?? ''}.${name}`).join(' ')
}
