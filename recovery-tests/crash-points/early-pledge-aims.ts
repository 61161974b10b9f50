/** The crash points that only a transaction on an application's own connections passes, and how each is aimed at. */
import { CRASH_POINT_PLACES, type Fate } from '../../src/base/crash-point-places.ts'
import type { CrashPoint } from '../../src/base/crash-points.ts'

export const EARLY_PLEDGE_POINTS = [
  'coordinator.enlist.received',
  'coordinator.commit.received',
  'coordinator.ending.received',
  'coordinator.session.closed',
  'application.branch.enlisted',
  'application.prepare.before',
  'application.prepare.after',
  'application.commit.sent',
  'application.commit.answered',
  'application.branch.committed',
  'application.branches.ended',
] as const satisfies readonly CrashPoint[]
export type EarlyPledgePoint = (typeof EARLY_PLEDGE_POINTS)[number]

/** passer: the process that passes the point, and the others go on. everybody: the database servers, too. */
export const DYING = ['the passer', 'everybody'] as const
export type Dying = (typeof DYING)[number]

export interface EarlyPledgeCase {
  readonly point: EarlyPledgePoint
  readonly dying: Dying
  /** Of the transaction under way. */
  readonly fate: Fate
  /** Some branch is prepared when daemon and application are dead: else the kill would show little. */
  readonly holds: boolean
}

/** Where a branch may be prepared when the daemon goes on, it has ended it by the time anybody looks. */
const HOLDING: readonly EarlyPledgePoint[] = [
  'coordinator.commit.received',
  'application.prepare.after',
  'application.commit.sent',
  'application.commit.answered',
]

export function casesOf(point: EarlyPledgePoint): readonly EarlyPledgeCase[] {
  const { fate } = CRASH_POINT_PLACES[point]
  return DYING.map((dying) => {
    const holds = dying === 'everybody' && HOLDING.includes(point)
    return { point, dying, fate, holds }
  })
}
