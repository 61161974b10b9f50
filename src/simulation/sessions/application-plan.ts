/** What applications with a process of their own do in one history, drawn from its seed. */
import type { WaitFor } from '../../protocol/requests.ts'
import type { ParticipantPlan } from '../participant-process.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { encodeWork } from '../work.ts'

export interface PlannedBranch {
  readonly participant: string
  readonly key: string
  readonly work: Uint8Array
  /** On a connection of the application's own. */
  readonly early: boolean
}

export interface ApplicationWork {
  readonly kind: 'execute' | 'transaction' | 'begin'
  readonly startMs: number
  readonly branches: readonly PlannedBranch[]
  /** Undefined: the SDK draws one. */
  readonly requestId: string | undefined
  readonly attempt: number
  readonly retries: number
  readonly timeoutMs: number
  readonly waitFor: WaitFor
  /** Its own code fails in the end. */
  readonly throws: boolean
  /** For so long its own code thinks. */
  readonly thinksMs: number
}

export interface ApplicationPlan {
  readonly name: string
  readonly caller: string
  readonly works: readonly ApplicationWork[]
}

/** An application that speaks the protocol by itself, and does what the SDK never would. */
export interface RawPlan {
  readonly name: string
  readonly caller: string
  /** Empty: none. */
  readonly clientId: string
  readonly startMs: number
  readonly steps: number
}

export interface SessionsPlan {
  readonly applications: readonly ApplicationPlan[]
  readonly raw: readonly RawPlan[]
}

const CALLERS = ['processor', 'batch'] as const

export function drawSessions(
  random: SeededRandom,
  activeMs: number,
  participants: readonly ParticipantPlan[],
): SessionsPlan {
  const applications = random.chance(0.5) ? 1 + random.below(2) : 0
  const raw = random.chance(0.25) ? 1 + random.below(3) : 0
  return {
    applications: Array.from({ length: applications }, (_, index) => ({
      name: `application-${index}`,
      caller: random.pick(CALLERS),
      works: Array.from({ length: 1 + random.below(3) }, (__, work) =>
        drawWork(random, activeMs, participants, `application-${index}-${work}`),
      ),
    })),
    raw: Array.from({ length: raw }, (_, index) => ({
      name: `raw-${index}`,
      caller: random.pick(CALLERS),
      clientId: random.pick(['', 'twin']),
      startMs: random.between(0, activeMs / 3),
      steps: 4 + random.below(12),
    })),
  }
}

/** A server that keeps no witnesses is none that an application could prepare at. */
export function takesEarlyBranches({ resource, keepsWitnesses }: ParticipantPlan): boolean {
  return resource === 'server' && keepsWitnesses
}

function drawWork(
  random: SeededRandom,
  activeMs: number,
  participants: readonly ParticipantPlan[],
  name: string,
): ApplicationWork {
  const kind = random.pick(['execute', 'transaction', 'transaction', 'transaction', 'begin'] as const)
  const chosen = participants.filter(() => random.chance(0.75))
  const taking = chosen.length > 0 ? chosen : participants.slice(0, 1)
  const isNamed = random.chance(0.6)
  return {
    kind,
    startMs: random.between(activeMs / 5, activeMs),
    branches: taking.map((participant) => {
      const early = kind !== 'execute' && takesEarlyBranches(participant) && random.chance(0.85)
      const key = `key-${random.below(8)}`
      return { participant: participant.name, key, work: encodeWork({ key, endsItself: false }), early }
    }),
    requestId: isNamed ? `request-${name}` : undefined,
    attempt: 1,
    retries: kind === 'begin' ? 0 : random.below(3),
    timeoutMs: random.chance(0.3) ? random.between(20, 80) : random.between(80, 400),
    waitFor: random.chance(0.2) ? 'completion' : 'decision',
    throws: random.chance(0.08),
    thinksMs: random.chance(0.3) ? random.between(5, 80) : 0,
  }
}
