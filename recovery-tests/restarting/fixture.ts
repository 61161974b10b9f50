/** A fixture: the files of a daemon and its participants as `kill -9` left them, and what was under way in them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Branches } from '../../src/sdk/client/index.ts'

export const FIXTURES = join(import.meta.dirname, 'fixtures')

/** What each transaction of a fixture is. */
export const CASES = ['committed', 'refused', 'heuristic', 'undecided', 'undelivered'] as const
export type Case = (typeof CASES)[number]

export interface WrittenTransaction {
  readonly xid: string
  readonly requestId: string
  /** As they were asked for, so that the request can be repeated to the letter. */
  readonly branches: Branches
}

/** What `write-fixture.ts` writes down beside the files. */
export interface Written {
  readonly formats: Formats
  readonly transactions: Readonly<Record<Case, WrittenTransaction>>
  /** What operators had done; left out where the formats know nothing of it. */
  readonly operated?: Operated | undefined
}

export interface Operated {
  /** A broken pledge that was looked at. */
  readonly acknowledged: WrittenTransaction
  /** Committed; one of its branches was given up. */
  readonly forgotten: WrittenTransaction
  /** A participant. */
  readonly paused: string
}

export interface Formats {
  /** Of the log: the number of migrations it has seen. */
  readonly log: number
  /** Of the pledges in a file, by `pledged_meta`. */
  readonly pledges: string
}

export function fixtureNames(): string[] {
  return readdirSync(FIXTURES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted()
}

export function readWritten(directory: string): Written {
  return JSON.parse(readFileSync(join(directory, 'written.json'), 'utf8')) as Written
}

/** By the files themselves. Opening one changes it: ask a copy. */
export function formatsOf(directory: string): Formats {
  const version = one(join(directory, 'log', 'pledged.db'), 'PRAGMA user_version')
  const pledges = ['sink', 'archive', 'offsets'].map((name) =>
    String(one(join(directory, `${name}.db`), "SELECT value FROM pledged_meta WHERE key = 'format'")),
  )
  const [first = ''] = pledges
  if (pledges.some((format) => format !== first)) throw new Error(`formats differ: ${pledges.join(', ')}`)
  return { log: Number(version), pledges: first }
}

/** The first column of the only row. */
export function one(file: string, sql: string, ...parameters: readonly string[]): unknown {
  const database = new DatabaseSync(file, { timeout: 10_000 })
  try {
    return Object.values(database.prepare(sql).get(...parameters) ?? {})[0]
  } finally {
    database.close()
  }
}
