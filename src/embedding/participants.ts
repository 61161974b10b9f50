/** The participants that an application gives its coordinator: its own, in this process, and built-in ones, in threads. */
import { resolve } from 'node:path'
import {
  BUILT_IN_KINDS,
  type BuiltInResource,
  isBuiltInKind,
  openParticipant,
} from '../../participants/registry.ts'
import type { CrashPoints } from '../base/crash-points.ts'
import { messageOf, PledgedError } from '../base/errors.ts'
import { isParticipantName } from '../base/ids.ts'
import type { Limits } from '../base/limits.ts'
import type { Timers } from '../base/ports.ts'
import { ParticipantHost } from '../sdk/participant/host.ts'
import type { Participant } from '../sdk/participant/index.ts'
import type { Dialer } from '../transport/link.ts'
import { MemoryDialer } from '../transport/memory/index.ts'
import { builtInDialer } from './built-in-dialer.ts'
import { identityOf, isLogFile } from './resource-files.ts'

/** Whatever implements `pledged/participant`'s Participant; or what pledged.yaml would say of a built-in one. */
export type EmbeddedParticipant = Participant | BuiltInResource

export interface ParticipantsContext {
  readonly dataDirectory: string
  readonly limits: Limits
  readonly timers: Timers
  readonly crashPoints: CrashPoints
}

/** Throws CONFIGURATION. Nothing is opened before it is dialled. */
export function dialersOf(
  participants: Readonly<Record<string, EmbeddedParticipant>>,
  context: ParticipantsContext,
): Dialer[] {
  const seen = new Map<unknown, string>()
  return Object.entries(participants).map(([name, participant]) => {
    if (!isParticipantName(name)) {
      throw mistake(name, "is not a name: use 1 to 32 of a-z, 0-9 and '-', not starting with '-'")
    }
    const dialer = dialerOf(name, participant, context)
    const resource =
      isOwn(participant) || !('file' in participant) ? participant : identityOf(participant.file)
    const first = seen.get(resource)
    if (first !== undefined) throw mistake(name, `is the same resource as "${first}": a name stands for one`)
    seen.set(resource, name)
    return dialer
  })
}

function dialerOf(name: string, participant: EmbeddedParticipant, context: ParticipantsContext): Dialer {
  const { limits, timers, crashPoints, dataDirectory } = context
  if (isOwn(participant)) {
    const host = new ParticipantHost({ name, participant, limits, timers, crashPoints })
    return new MemoryDialer({ name, host: () => host, timers })
  }
  const resource = checkedResource(name, participant)
  if ('file' in resource && isLogFile(resource.file, dataDirectory)) {
    throw mistake(name, `has the file ${resource.file}, which belongs to the log: choose another`)
  }
  return builtInDialer({ name, resource, limits, timers })
}

function isOwn(participant: EmbeddedParticipant): participant is Participant {
  return typeof participant === 'object' && participant !== null && 'prepare' in participant
}

function checkedResource(name: string, given: BuiltInResource): BuiltInResource {
  const kind: unknown = (given as Partial<BuiltInResource> | undefined)?.kind
  if (typeof kind !== 'string' || !isBuiltInKind(kind)) {
    const kinds = Object.keys(BUILT_IN_KINDS).join(', ')
    throw mistake(
      name,
      `is neither a Participant (see pledged/participant) nor { kind: ... } with one of ${kinds}`,
    )
  }
  const place: unknown = (given as Readonly<Record<string, unknown>>)[BUILT_IN_KINDS[kind]]
  if (typeof place !== 'string' || place === '') {
    throw mistake(name, `is of kind ${kind} and has no ${BUILT_IN_KINDS[kind]}: say where it is`)
  }
  const resource = 'file' in given ? { ...given, file: resolve(given.file) } : given
  try {
    openParticipant(name, resource)
  } catch (error) {
    throw mistake(name, `can't be: ${messageOf(error)}`)
  }
  return resource
}

function mistake(name: string, what: string): PledgedError {
  return new PledgedError('CONFIGURATION', `participants: "${name}" ${what}`)
}
