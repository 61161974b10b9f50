/** The built-in participants, by kind: what the daemon's workers and `pledged participant serve KIND` open. */
import { type Participant, PledgedError } from '../src/sdk/participant/index.ts'
import { createOffsetsParticipant } from './offsets/index.ts'
import { createSqliteParticipant } from './sqlite/index.ts'

export interface BuiltInOptions {
  readonly file: string
  /** For sqlite: named statements. */
  readonly statements?: Readonly<Record<string, string>> | undefined
}

const OPENERS = {
  sqlite: createSqliteParticipant,
  offsets: ({ file, statements }) => {
    if (statements === undefined) return createOffsetsParticipant({ file })
    throw new PledgedError(
      'CONFIGURATION',
      'a participant of kind offsets takes no statements: leave them out',
    )
  },
} as const satisfies Record<string, (options: BuiltInOptions) => Participant>

export type BuiltInKind = keyof typeof OPENERS

export const BUILT_IN_KINDS = Object.keys(OPENERS) as readonly BuiltInKind[]

export function isBuiltInKind(kind: string): kind is BuiltInKind {
  return Object.hasOwn(OPENERS, kind)
}

/** Throws CONFIGURATION for a kind that isn't built in, or options that don't fit. The file is opened by `describe`. */
export function openParticipant(kind: string, options: BuiltInOptions): Participant {
  if (isBuiltInKind(kind)) return OPENERS[kind](options)
  throw new PledgedError(
    'CONFIGURATION',
    `${JSON.stringify(kind)} is not a kind of participant that is built in: use ${BUILT_IN_KINDS.join(' or ')}`,
  )
}
