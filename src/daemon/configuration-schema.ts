/** The shape of pledged.yaml. Every key is known or a mistake; every mistake is found in one pass. */
import { z } from 'zod'
import {
  AUTH_LISTS,
  type AuthSection,
  authMistakes,
  authSchema,
  authSectionOf,
  tlsSchema,
} from './authentication-schema.ts'
import type { Path } from './configuration-document.ts'
import {
  entryMistake,
  kindMistake,
  type ParticipantEntry,
  participantSchema,
  unknownParticipantKey,
} from './participant-schema.ts'
import { member, value } from './schema-values.ts'
import { SETTINGS, type Setting } from './settings.ts'

const limits = z.strictObject({
  transactions_in_flight: value(SETTINGS.transactionsInFlightMax.parse).optional(),
  branches_per_transaction: value(SETTINGS.branchesPerTransactionMax.parse).optional(),
  work_bytes: value(SETTINGS.workBytesMax.parse).optional(),
  message_bytes: value(SETTINGS.messageBytesMax.parse).optional(),
  sessions: value(SETTINGS.sessionsMax.parse).optional(),
  participants: value(SETTINGS.participantsMax.parse).optional(),
  connections: value(SETTINGS.connectionsMax.parse).optional(),
})

const timeouts = z.strictObject({
  prepare: value(SETTINGS.prepareTimeoutMs.parse).optional(),
  idle: value(SETTINGS.idleTimeoutMs.parse).optional(),
  drain: value(SETTINGS.drainTimeoutMs.parse).optional(),
  orphan_grace: value(SETTINGS.orphanGraceMs.parse).optional(),
})

const configuration = z.strictObject({
  listen: value(SETTINGS.listen.parse).optional(),
  http_listen: value(SETTINGS.httpListen.parse).optional(),
  data_dir: value(SETTINGS.dataDirectory.parse).optional(),
  tls: tlsSchema.optional(),
  auth: authSchema.optional(),
  limits: limits.optional(),
  timeouts: timeouts.optional(),
  retention: value(SETTINGS.retentionMs.parse).optional(),
  participants: z.array(participantSchema).optional(),
})

const SECTIONS: Readonly<Record<string, z.ZodObject>> = {
  '': configuration,
  tls: tlsSchema,
  auth: authSchema,
  limits,
  timeouts,
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
  /** Undefined where the file has no such section. */
  readonly auth: AuthSection | undefined
  readonly mistakes: readonly SchemaMistake[]
}

export function checkContent(content: unknown): CheckedContent {
  const result = configuration.safeParse(content)
  const ofValues = result.success ? [] : result.error.issues.flatMap((issue) => mistakesOf(issue, content))
  const mistakes = [...ofValues, ...entryMistakes(content), ...authMistakes(content)]
  const auth = authSectionOf(content)
  return { values: valuesOf(content), participants: participantsOf(content), auth, mistakes }
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

function entriesOf(content: unknown): readonly unknown[] {
  const entries = member(content, 'participants')
  return Array.isArray(entries) ? entries : []
}

function participantsOf(content: unknown): (ParticipantEntry | undefined)[] {
  return entriesOf(content).map((entry) =>
    entryMistake(entry) === undefined ? participantSchema.safeParse(entry).data : undefined,
  )
}

function entryMistakes(content: unknown): SchemaMistake[] {
  return entriesOf(content).flatMap((entry, index) => {
    const mistake = entryMistake(entry)
    return mistake === undefined ? [] : [{ path: ['participants', index, mistake.key], text: mistake.text }]
  })
}

function mistakesOf(issue: z.core.$ZodIssue, content: unknown): SchemaMistake[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol')
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...path, key], text: unknownKey(path, content) }))
    case 'invalid_type':
      return [{ path, text: wrongShape(issue.expected) }]
    case 'invalid_union':
      return [{ path, text: kindMistake(entryAt(path, content)) }]
    default:
      return [{ path, text: issue.message }]
  }
}

function entryAt([, index]: Path, content: unknown): unknown {
  return entriesOf(content)[Number(index)]
}

function unknownKey(section: Path, content: unknown): string {
  if (section[0] === 'participants') return unknownParticipantKey(entryAt(section, content))
  const list = section[0] === 'auth' ? AUTH_LISTS[section[1] as keyof typeof AUTH_LISTS] : undefined
  const known = Object.keys((list ?? SECTIONS[String(section[0] ?? '')])?.shape ?? {})
  return `is not a key that is known here; known are ${known.join(', ')}`
}

function wrongShape(expected: string): string {
  if (expected === 'nonoptional') return 'is missing'
  return `has to be ${expected === 'array' ? 'a list' : 'a mapping'}`
}
