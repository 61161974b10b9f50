/** The built-in participants, by kind: what the daemon's workers and `pledged participant serve KIND` open. */
import { type Participant, PledgedError } from '../src/sdk/participant/index.ts'
import { createMysqlParticipant } from './mysql/index.ts'
import { createOffsetsParticipant } from './offsets/index.ts'
import { createPostgresParticipant } from './postgres/index.ts'
import type { ServerParticipantOptions } from './shared/servers/options.ts'
import { createSqliteParticipant, type SqliteParticipantOptions } from './sqlite/index.ts'

/** Plain data, so that it can be handed to a worker thread. */
export type BuiltInResource =
  | ({ readonly kind: 'sqlite' } & Pick<SqliteParticipantOptions, 'file' | 'statements'>)
  | { readonly kind: 'offsets'; readonly file: string }
  | ({ readonly kind: 'postgres' | 'mysql' } & Omit<ServerParticipantOptions, 'name' | 'limits'>)

export type BuiltInKind = BuiltInResource['kind']

/** What tells a participant where its resource is: the path of a file, or the URL of a database. */
export const BUILT_IN_KINDS = {
  sqlite: 'file',
  offsets: 'file',
  postgres: 'url',
  mysql: 'url',
} as const satisfies Record<BuiltInKind, 'file' | 'url'>

export function isBuiltInKind(kind: string): kind is BuiltInKind {
  return Object.hasOwn(BUILT_IN_KINDS, kind)
}

/** Throws CONFIGURATION for a kind that isn't built in, for people who typed it. */
export function builtInKindOf(kind: string): BuiltInKind {
  if (isBuiltInKind(kind)) return kind
  const kinds = Object.keys(BUILT_IN_KINDS).join(', ')
  throw new PledgedError(
    'CONFIGURATION',
    `${JSON.stringify(kind)} is not a kind of participant that is built in; there are ${kinds}`,
  )
}

/** Throws CONFIGURATION where the options don't fit. Nothing is opened, nor connected to, before `describe`. */
export function openParticipant(name: string, resource: BuiltInResource): Participant {
  switch (resource.kind) {
    case 'sqlite':
      return createSqliteParticipant(resource)
    case 'offsets':
      return createOffsetsParticipant(resource)
    case 'postgres':
      return createPostgresParticipant({ ...resource, name })
    case 'mysql':
      return createMysqlParticipant({ ...resource, name })
  }
}
