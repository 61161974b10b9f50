/**
 * How each crash point is brought about: who passes it, what the application asks for meanwhile, and what must have
 * happened before. The record's type makes a point without an aim an error of the compiler; the test fails where an aim
 * doesn't hit.
 */
import { CRASH_POINT_PLACES, type Fate } from '../../src/base/crash-point-places.ts'
import { CRASH_POINTS, type CrashPoint } from '../../src/base/crash-points.ts'
import { EARLY_PLEDGE_POINTS, type EarlyPledgePoint } from './early-pledge-aims.ts'

/** A point's first word says who passes it; it can be passed by nobody else. */
export const PASSERS = ['coordinator', 'participant', 'application'] as const
export type Passer = (typeof PASSERS)[number]

/** The participant that doesn't vote while a transaction is to be stuck. It lives in the test's own process. */
export const SILENT = 'silent'

/** The order in which daemon and participants come back. */
export const ORDERS = ['daemon first', 'participants first'] as const
export type Order = (typeof ORDERS)[number]

export interface Aim {
  /**
   * The transactions that are asked for. doomed: one branch votes no, and the other, the passer's if it is a participant,
   * is aborted. stuck: a third branch never votes, until an operator commits without it.
   */
  readonly requests: 'sound' | 'doomed' | 'stuck'
  /**
   * The daemon has died of this point before, and everybody else with it; the aim's own point is armed in the process
   * that is started again. So what is recovered from a kill is killed, too.
   */
  readonly before?: CrashPoint | undefined
  /** Some branch is prepared when everybody is dead: else the kill would show little. */
  readonly holds: boolean
  /** What becomes of the transaction under way. */
  readonly fate: Fate
  /** Left out: all. One is enough where the point has another aim. */
  readonly orders?: readonly Order[] | undefined
}

export interface Case {
  readonly point: CrashPoint
  readonly order: Order
  readonly aim: Aim
}

type Plan = Partial<Aim>

const SOUND: readonly Plan[] = [{}]
const DECIDED: Plan = { before: 'coordinator.delivery.before-send', holds: true, fate: 'committed' }
const UNDECIDED: Plan = { before: 'coordinator.append.before-post', holds: true, fate: 'aborted' }

/** What the files' participants pass. The others are aimed at in early-pledge-aims.ts. */
type FilePoint = Exclude<CrashPoint, EarlyPledgePoint>

const PLANS: Readonly<Record<FilePoint, readonly Plan[]>> = {
  'coordinator.opening.fenced': [DECIDED],
  'coordinator.opening.checked': [UNDECIDED],
  'coordinator.opening.replayed': [DECIDED],
  'coordinator.scan.sent': [UNDECIDED],
  'coordinator.held.received': [
    { ...DECIDED, orders: ['daemon first'] },
    { ...UNDECIDED, orders: ['participants first'] },
  ],
  'coordinator.prepare.before-send': SOUND,
  'coordinator.prepare.after-send': SOUND,
  'coordinator.vote.received': [{ holds: true }],
  'coordinator.append.before-post': [{ holds: true }],
  'coordinator.append.posted': [{ holds: true }],
  'coordinator.append.durable': [{ holds: true }],
  'coordinator.answer.sent': SOUND,
  'coordinator.delivery.before-send': [{ holds: true }],
  'coordinator.delivery.after-send': SOUND,
  'coordinator.acknowledgement.received': SOUND,
  // Of a vote that was no, and of a presumption.
  'coordinator.abort.before-send': [{ requests: 'doomed' }, { ...UNDECIDED, orders: ['daemon first'] }],
  'coordinator.abort.after-send': [
    { requests: 'doomed' },
    { ...UNDECIDED, holds: false, orders: ['participants first'] },
  ],
  'coordinator.operator.posted': [{ requests: 'stuck', holds: true }],
  'coordinator.operator.durable': [{ requests: 'stuck', holds: true }],
  'coordinator.end.posted': SOUND,
  'coordinator.end.durable': SOUND,
  'participant.prepare.received': SOUND,
  'participant.vote.before-send': [{ holds: true }],
  'participant.vote.after-send': SOUND,
  'participant.decision.received': [{ holds: true }],
  'participant.decision.applied': SOUND,
  'participant.acknowledgement.sent': SOUND,
  'participant.abort.applied': [
    { requests: 'doomed' },
    { ...UNDECIDED, holds: false, orders: ['daemon first'] },
  ],
  'participant.witness.swept': SOUND,
  'application.execute.sent': SOUND,
  'application.execute.answered': SOUND,
}

/** In the order of their declaration. */
export const FILE_POINTS = (Object.keys(CRASH_POINTS) as CrashPoint[]).filter(
  (point): point is FilePoint => !EARLY_PLEDGE_POINTS.some((other) => other === point),
)

export const FATES: Readonly<Record<Exclude<Fate, undefined>, readonly string[]>> = {
  committed: ['committed'],
  aborted: ['aborted'],
  either: ['committed', 'aborted'],
}

export function casesOf(point: FilePoint): readonly Case[] {
  const aims = PLANS[point].map((plan): Aim => {
    const { fate } = CRASH_POINT_PLACES[point]
    return { requests: 'sound', holds: false, fate, ...plan }
  })
  return aims.flatMap((aim) => (aim.orders ?? ORDERS).map((order) => ({ point, order, aim })))
}

export function passerOf(point: CrashPoint): Passer {
  const [word] = point.split('.')
  const passer = PASSERS.find((one) => one === word)
  if (passer === undefined)
    throw new Error(`${point} doesn't begin with who passes it: ${PASSERS.join(', ')}`)
  return passer
}

export function titleOf({ point, order, aim }: Case): string {
  const after = aim.before === undefined ? '' : `, after ${aim.before}`
  return `${point}${after}; ${order}`
}
