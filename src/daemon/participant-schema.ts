/** The shape of an entry of `participants:`, by its kind: each kind has keys of its own. */
import { z } from 'zod'
import { isParticipantName } from '../base/ids.ts'
import { parseUrlText } from './database-url.ts'
import { member, value } from './schema-values.ts'
import { Mistake, parseAddress, parseCount, parseDuration, parseText, show } from './values.ts'

export const POOL_SIZE = { min: 1, max: 1_000 }
export const LOCK_TIMEOUT_MS = { min: 10, max: 3_600_000 }

const name = value(parseName)
const statements = value(parseStatements).optional()

function server<Kind extends 'postgres' | 'mysql'>(kind: Kind) {
  return z.strictObject({
    name,
    kind: z.literal(kind),
    url: value(parseUrlText).optional(),
    url_file: value(parseText).optional(),
    statements,
    pool_size: value((raw) => parseCount(raw, POOL_SIZE)).optional(),
    lock_timeout: value((raw) => parseDuration(raw, LOCK_TIMEOUT_MS)).optional(),
  })
}

const BY_KIND = {
  sqlite: z.strictObject({ name, kind: z.literal('sqlite'), file: value(parseText), statements }),
  offsets: z.strictObject({ name, kind: z.literal('offsets'), file: value(parseText) }),
  postgres: server('postgres'),
  mysql: server('mysql'),
  grpc: z.strictObject({
    name,
    kind: z.literal('grpc'),
    address: value(parseAddress),
    tls_ca_file: value(parseText).optional(),
    tls_cert_file: value(parseText).optional(),
    tls_key_file: value(parseText).optional(),
    token_file: value(parseText).optional(),
  }),
}

export type ParticipantKind = keyof typeof BY_KIND

const KINDS = Object.keys(BY_KIND).join(', ')

const { sqlite, offsets, postgres, mysql, grpc } = BY_KIND
export const participantSchema = z.discriminatedUnion('kind', [sqlite, offsets, postgres, mysql, grpc])

/** An entry as it was written, each of its values read. */
export type ParticipantEntry = z.output<typeof participantSchema>

/** Of an entry that has no kind, or another one. */
export function kindMistake(entry: unknown): string {
  const kind = member(entry, 'kind')
  return kind === undefined
    ? `is missing: give one of ${KINDS}`
    : `${show(kind)} is not a kind of participant; there are ${KINDS}`
}

export function unknownParticipantKey(entry: unknown): string {
  const kind = String(member(entry, 'kind')) as ParticipantKind
  return `is not a key of a participant of kind ${kind}; those are ${Object.keys(BY_KIND[kind].shape).join(', ')}`
}

/** What is wrong between the keys of an entry, whether each by itself is right or not. */
export function entryMistake(entry: unknown): { readonly key: string; readonly text: string } | undefined {
  const kind = member(entry, 'kind')
  if (kind !== 'postgres' && kind !== 'mysql') return undefined
  const given = ['url', 'url_file'].filter((key) => member(entry, key) !== undefined)
  if (given.length === 0) {
    return { key: 'url', text: 'is missing: give the URL of the database, or url_file, a file with the URL' }
  }
  if (given.length === 1) return undefined
  return { key: 'url_file', text: 'is given beside url: leave one of them out' }
}

function parseName(raw: unknown): string {
  const text = parseText(raw)
  if (isParticipantName(text)) return text
  throw new Mistake(`${show(text)} is not a name: write 1 to 32 of a-z, 0-9 and '-', not starting with '-'`)
}

/** Throws a Mistake. */
export function parseStatements(raw: unknown): Readonly<Record<string, string>> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new Mistake(`${show(raw)} is not a mapping: write NAME: SQL, one for each statement`)
  }
  const named = raw as Readonly<Record<string, unknown>>
  for (const [statement, sql] of Object.entries(named)) {
    if (typeof sql !== 'string' || sql === '')
      throw new Mistake(`${show(sql)} is not SQL, under the name ${show(statement)}`)
  }
  return named as Readonly<Record<string, string>>
}
