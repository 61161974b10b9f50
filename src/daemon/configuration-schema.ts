/** The shape of pledged.yaml. Every key is known or a mistake; every mistake is found in one pass. */
import { z } from 'zod'
import { BUILT_IN_KINDS, type BuiltInKind, openParticipant } from '../../participants/registry.ts'
import { PledgedError } from '../base/errors.ts'
import { isParticipantName } from '../base/ids.ts'
import type { Path } from './configuration-document.ts'
import { SETTINGS, type Setting } from './settings.ts'
import { Mistake, parseChoice, parseText, show } from './values.ts'

/** The participants that are built in. */
export const PARTICIPANT_KINDS = BUILT_IN_KINDS
export type ParticipantKind = BuiltInKind

const LATER_KINDS = new Set(['postgres', 'mysql', 'grpc'])
const LATER_SECTIONS = new Set(['tls', 'auth'])
const LATER_PARTICIPANT_KEYS = new Set(['url', 'url_file', 'address'])

const limits = z.strictObject({
  transactions_in_flight: value(SETTINGS.transactionsInFlightMax.parse).optional(),
  branches_per_transaction: value(SETTINGS.branchesPerTransactionMax.parse).optional(),
  work_bytes: value(SETTINGS.workBytesMax.parse).optional(),
})

const timeouts = z.strictObject({
  prepare: value(SETTINGS.prepareTimeoutMs.parse).optional(),
  idle: value(SETTINGS.idleTimeoutMs.parse).optional(),
  drain: value(SETTINGS.drainTimeoutMs.parse).optional(),
  orphan_grace: value(SETTINGS.orphanGraceMs.parse).optional(),
})

const participant = z.strictObject({
  name: value(parseName),
  kind: value(parseKind),
  file: value(parseText),
  statements: value(parseStatements).optional(),
})

const configuration = z.strictObject({
  listen: value(SETTINGS.listen.parse).optional(),
  http_listen: value(SETTINGS.httpListen.parse).optional(),
  data_dir: value(SETTINGS.dataDirectory.parse).optional(),
  limits: limits.optional(),
  timeouts: timeouts.optional(),
  retention: value(SETTINGS.retentionMs.parse).optional(),
  participants: z.array(participant).optional(),
})

const SECTIONS: Readonly<Record<string, z.ZodObject>> = {
  '': configuration,
  limits,
  timeouts,
  participants: participant,
}

export interface ParticipantEntry {
  readonly name: string
  readonly kind: ParticipantKind
  readonly file: string
  /** Of kind sqlite: the statements that it takes, by name; it takes no others then. */
  readonly statements?: Readonly<Record<string, string>> | undefined
}

export interface SchemaMistake {
  readonly path: Path
  readonly text: string
}

export interface CheckedContent {
  /** The settings that the file gives, by path. */
  readonly values: ReadonlyMap<string, unknown>
  /** Undefined where an entry is mistaken. */
  readonly participants: readonly (ParticipantEntry | undefined)[]
  readonly mistakes: readonly SchemaMistake[]
}

export function checkContent(content: unknown): CheckedContent {
  const result = configuration.safeParse(content)
  const mistakes = result.success ? [] : result.error.issues.flatMap(mistakesOf)
  return { values: valuesOf(content), participants: participantsOf(content), mistakes }
}

/** What is well-formed, whatever else isn't: so that mistakes between values are found in the same pass. */
function valuesOf(content: unknown): Map<string, unknown> {
  const values = new Map<string, unknown>()
  for (const { path, parse } of Object.values<Setting<unknown>>(SETTINGS)) {
    const raw = path.reduce<unknown>((at, key) => (key === undefined ? at : member(at, key)), content)
    const parsed = raw === undefined ? undefined : value(parse).safeParse(raw)
    if (parsed?.success === true) values.set(path.join('.'), parsed.data)
  }
  return values
}

function participantsOf(content: unknown): (ParticipantEntry | undefined)[] {
  const entries = member(content, 'participants')
  if (!Array.isArray(entries)) return []
  return entries.map((entry) => participant.safeParse(entry).data)
}

function member(of: unknown, key: string): unknown {
  if (typeof of !== 'object' || of === null || !Object.hasOwn(of, key)) return undefined
  return (of as Readonly<Record<string, unknown>>)[key]
}

/** A value that a function of our own reads; its sentence becomes the issue's. */
function value<Value>(parse: (raw: unknown) => Value) {
  return z.unknown().transform((raw, context): Value => {
    try {
      if (raw === undefined) throw new Mistake('is missing')
      if (raw === null) throw new Mistake('is empty: give it a value, or take the key out')
      return parse(raw)
    } catch (error) {
      if (!(error instanceof Mistake)) throw error
      context.addIssue({ code: 'custom', message: error.message })
      return z.NEVER
    }
  })
}

function mistakesOf(issue: z.core.$ZodIssue): SchemaMistake[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol')
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...path, key], text: unknownKey(path, key) }))
    case 'invalid_type':
      return [{ path, text: wrongShape(issue.expected) }]
    default:
      return [{ path, text: issue.message }]
  }
}

function unknownKey(section: Path, key: string): string {
  if (section.length === 0 && LATER_SECTIONS.has(key)) {
    return 'this version has neither TLS nor authentication: listen on a loopback address or a unix socket, and take the section out'
  }
  if (section[0] === 'participants' && LATER_PARTICIPANT_KEYS.has(key)) {
    return `belongs to a kind of participant that this version does not have; it has ${PARTICIPANT_KINDS.join(' and ')}`
  }
  const known = Object.keys(SECTIONS[String(section[0] ?? '')]?.shape ?? {})
  return `is not a key that is known here; known are ${known.join(', ')}`
}

function wrongShape(expected: string): string {
  if (expected === 'nonoptional') return 'is missing'
  return `has to be ${expected === 'array' ? 'a list' : 'a mapping'}`
}

function parseName(raw: unknown): string {
  const name = parseText(raw)
  if (isParticipantName(name)) return name
  throw new Mistake(`${show(name)} is not a name: write 1 to 32 of a-z, 0-9 and '-', not starting with '-'`)
}

function parseStatements(raw: unknown): Readonly<Record<string, string>> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new Mistake(`${show(raw)} is not a mapping: write NAME: SQL, one for each statement`)
  }
  const statements = raw as Readonly<Record<string, unknown>>
  for (const [name, sql] of Object.entries(statements)) {
    if (typeof sql !== 'string' || sql === '')
      throw new Mistake(`${show(sql)} is not SQL, under the name ${show(name)}`)
  }
  return statements as Readonly<Record<string, string>>
}

/** Whether the kind takes what the entry says; nothing is opened. */
export function checkStatements({ kind, file, statements }: ParticipantEntry): void {
  if (statements === undefined) return
  try {
    openParticipant(kind, { file, statements })
  } catch (error) {
    throw new Mistake(PledgedError.from(error).message)
  }
}

function parseKind(raw: unknown): ParticipantKind {
  if (typeof raw === 'string' && LATER_KINDS.has(raw)) {
    throw new Mistake(`${show(raw)} is not in this version; it has ${PARTICIPANT_KINDS.join(' and ')}`)
  }
  return parseChoice(raw, PARTICIPANT_KINDS)
}
