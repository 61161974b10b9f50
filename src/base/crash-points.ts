/**
 * Crash points: named places between two steps of the protocol at which a test may kill the process. They are
 * inert unless a test armed them through the environment (see embedding/armed-crash-points.ts).
 *
 * The window says between which two events of the protocol the place lies. It is what the demo and the
 * recovery tests count their hits by.
 */

export const CRASH_WINDOWS = [
  'vote..decision',
  'append..answer',
  'decision..delivery',
  'delivery..acknowledgement',
] as const
export type CrashWindow = (typeof CRASH_WINDOWS)[number]

/** Every crash point, by who passes it, with its window (undefined: outside the four). */
export const CRASH_POINTS = {
  // The coordinator. The first two are passed in the thread of its log, while it opens it.
  'coordinator.opening.fenced': undefined,
  'coordinator.opening.checked': undefined,
  'coordinator.opening.replayed': undefined,
  'coordinator.scan.sent': undefined,
  'coordinator.held.received': undefined,
  'coordinator.prepare.before-send': undefined,
  'coordinator.prepare.after-send': undefined,
  'coordinator.vote.received': 'vote..decision',
  'coordinator.append.before-post': 'vote..decision',
  'coordinator.append.posted': 'append..answer',
  'coordinator.append.durable': 'append..answer',
  // By then the deliveries are on their way too, or not: it lies in no window for sure.
  'coordinator.answer.sent': undefined,
  'coordinator.delivery.before-send': 'decision..delivery',
  'coordinator.delivery.after-send': 'delivery..acknowledgement',
  'coordinator.acknowledgement.received': 'delivery..acknowledgement',
  'coordinator.abort.before-send': undefined,
  'coordinator.abort.after-send': undefined,
  'coordinator.operator.posted': undefined,
  'coordinator.operator.durable': undefined,
  // Of branches that an application prepares itself.
  'coordinator.enlist.received': undefined,
  'coordinator.commit.received': 'vote..decision',
  'coordinator.ending.received': 'delivery..acknowledgement',
  'coordinator.session.closed': undefined,
  'coordinator.end.posted': undefined,
  'coordinator.end.durable': undefined,
  // A participant that uses our SDK.
  'participant.prepare.received': undefined,
  'participant.vote.before-send': 'vote..decision',
  'participant.vote.after-send': 'vote..decision',
  'participant.decision.received': 'delivery..acknowledgement',
  'participant.decision.applied': 'delivery..acknowledgement',
  'participant.acknowledgement.sent': undefined,
  'participant.abort.applied': undefined,
  'participant.witness.swept': undefined,
  // An application that uses our SDK.
  'application.execute.sent': undefined,
  'application.execute.answered': undefined,
  // One with branches on its own connections.
  'application.branch.enlisted': undefined,
  'application.prepare.before': undefined,
  'application.prepare.after': 'vote..decision',
  'application.commit.sent': undefined,
  'application.commit.answered': 'decision..delivery',
  'application.branch.committed': 'delivery..acknowledgement',
  'application.branches.ended': undefined,
} as const satisfies Record<string, CrashWindow | undefined>

export type CrashPoint = keyof typeof CRASH_POINTS

export interface CrashPoints {
  /** The process passes the named point; it may not come back. */
  pass(point: CrashPoint): void
}

export const noCrashPoints: CrashPoints = { pass: () => {} }
