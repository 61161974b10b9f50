/** What a history is made of, drawn from its seed: limits, participants, clients, and the faults that may come. */
import { defaultLimits, type Limits } from '../base/limits.ts'
import type { ClientKind, ClientPlan } from './client.ts'
import {
  CHANCE_FAULT_KINDS,
  type FaultKind,
  TIMED_FAULT_KINDS,
  TIMED_FAULTS,
  type TimedFault,
} from './fault-kinds.ts'
import type { ParticipantPlan } from './participant-process.ts'
import type { SeededRandom } from './seeded-random.ts'
import { drawSessions, type SessionsPlan } from './sessions/index.ts'
import { encodeWork } from './work.ts'

export interface TimedFaultPlan {
  readonly kind: TimedFault
  readonly atMs: number
}

export interface HistoryPlan {
  readonly limits: Limits
  readonly participants: readonly ParticipantPlan[]
  readonly clients: readonly ClientPlan[]
  readonly sessions: SessionsPlan
  readonly enabled: ReadonlySet<FaultKind>
  readonly timedFaults: readonly TimedFaultPlan[]
  /** For so long there are faults. */
  readonly activeMs: number
}

export function drawPlan(random: SeededRandom): HistoryPlan {
  const activeMs = random.between(60, 260)
  const limits = drawLimits(random)
  const participants = drawParticipants(random, limits)
  // A third of the histories have few faults: the protocol gets further there.
  const enabledShare = random.pick([0.2, 0.5, 0.8])
  const enabled = new Set(
    [...CHANCE_FAULT_KINDS, ...TIMED_FAULT_KINDS].filter(() => random.chance(enabledShare)),
  )
  return {
    limits,
    participants,
    clients: drawClients(random, activeMs, participants),
    sessions: drawSessions(random, activeMs, participants),
    enabled,
    timedFaults: TIMED_FAULT_KINDS.filter((kind) => enabled.has(kind)).flatMap((kind) =>
      Array.from({ length: random.below(TIMED_FAULTS[kind] + 1) }, () => ({
        kind,
        atMs: random.between(0, activeMs),
      })),
    ),
    activeMs,
  }
}

/** Small, so that what is rare in production is common here. */
function drawLimits(random: SeededRandom): Limits {
  return {
    ...defaultLimits,
    transactionsInFlightMax: random.pick([3, 100, 100]),
    turnEventsMax: random.pick([1, 3, 100]),
    appendBatchRecordsMax: random.pick([1, 3, 100]),
    lazyAppendDelayMs: random.pick([2, 15]),
    participantConcurrencyMax: random.pick([2, 100]),
    linkCloseTimeoutMs: 20,
    prepareTimeoutMs: random.pick([30, 80]),
    idleTimeoutMs: random.pick([40, 120]),
    pledgeMarginMs: 15,
    deliveryTimeoutMs: random.pick([20, 60]),
    branchEndingTimeoutMs: random.pick([20, 60]),
    sessionsMax: random.pick([2, 100, 100, 100]),
    sessionCallsMax: random.pick([2, 100]),
    leaseSize: random.pick([1, 3, 8]),
    leasedMax: random.pick([4, 64]),
    leaseKeptMs: random.pick([60, 10_000]),
    orphanGraceMs: random.pick([20, 80]),
    drainTimeoutMs: 60,
    retentionMs: random.pick([350, 500, 5_000]),
    requestsRememberedMin: random.pick([1, 3, 100]),
    backoffMinMs: 4,
    backoffMaxMs: 40,
    scanUnsettledMs: 40,
    scanSettledMs: random.pick([60, 120]),
    scanTimeoutMs: random.pick([30, 60]),
    scanPageSize: random.pick([1, 2, 100]),
  }
}

function drawParticipants(random: SeededRandom, limits: Limits): ParticipantPlan[] {
  return ['ledger', 'offsets', 'sink'].slice(0, 2 + random.below(2)).map((name) => ({
    name,
    link: random.pick(['attached', 'dialled', 'called']),
    resource: random.pick(['embedded', 'server', 'server']),
    ...drawWitnesses(random),
    pledgeTtlMs: limits.pledgeMarginMs + random.between(0, 15),
  }))
}

/** R17 asks for witnesses. */
function drawWitnesses(random: SeededRandom): Pick<ParticipantPlan, 'keepsWitnesses' | 'onePhase'> {
  const keepsWitnesses = random.chance(0.8)
  return { keepsWitnesses, onePhase: keepsWitnesses && random.chance(0.6) }
}

const KINDS: readonly ClientKind[] = [
  'execute_named',
  'execute_named',
  'execute_named',
  'execute_named',
  'execute_unnamed',
  'begin_commit',
  'begin_commit',
  'begin_abort',
  'commit_then_abort',
  'early_pledge',
]

function drawClients(
  random: SeededRandom,
  activeMs: number,
  participants: readonly ParticipantPlan[],
): ClientPlan[] {
  const count = 2 + random.below(7)
  // In a crowd transactions meet, and wait for one another (R13).
  const isCrowd = random.chance(0.15)
  const keys = isCrowd ? 1 + random.below(2) : random.pick([5, 20])
  const startMs = () => (isCrowd ? activeMs / 3 + random.between(0, 3) : random.between(0, activeMs))
  return Array.from({ length: count }, (_, index) => {
    const branchShare = isCrowd ? 0.9 : random.pick([0.75, 0.75, 0.2])
    const branches = participants
      .filter(() => random.chance(branchShare))
      .map(({ name }) => ({ participant: name, work: drawWork(random, keys) }))
    return {
      kind: random.pick(KINDS),
      caller: random.pick(['processor', 'batch']),
      requestId: `request-${index}`,
      startMs: startMs(),
      branches: branches.length > 0 ? branches : [{ participant: 'ledger', work: drawWork(random, keys) }],
      waitFor: random.chance(0.25) ? 'completion' : 'decision',
      deadlineInMs: random.chance(0.3) ? random.between(15, 150) : undefined,
      prepareTimeoutMs: random.chance(0.3) ? random.between(10, 60) : undefined,
      idleTimeoutMs: random.chance(0.3) ? random.between(15, 100) : undefined,
    }
  })
}

function drawWork(random: SeededRandom, keys: number): Uint8Array {
  return encodeWork({ key: `key-${random.below(keys)}`, endsItself: random.chance(0.02) })
}
