/** ParticipantView, to the contract's ParticipantStatus. */
import type { ParticipantView } from '../coordinator/views.ts'
import * as proto from '../wire/generated/pledged/v1/participant.ts'
import { boundedText, toDuration, toOptionalTimestamp, toTimestamp } from '../wire/index.ts'

const STATES: Readonly<Record<ParticipantView['state'], proto.ParticipantState>> = {
  away: proto.ParticipantState.AWAY,
  reconnecting: proto.ParticipantState.RECONNECTING,
  scanning: proto.ParticipantState.SCANNING,
  delivering: proto.ParticipantState.DELIVERING,
  settled: proto.ParticipantState.SETTLED,
  backing_off: proto.ParticipantState.BACKING_OFF,
  quarantined: proto.ParticipantState.QUARANTINED,
  paused: proto.ParticipantState.PAUSED,
}

const LINKS: Readonly<Record<ParticipantView['link'], proto.ParticipantLink>> = {
  attached: proto.ParticipantLink.ATTACHED,
  dialled: proto.ParticipantLink.DIALLED,
}

export function participantToProto(view: ParticipantView, nowWallMs: number): proto.ParticipantStatus {
  return {
    name: view.name,
    kind: view.kind,
    resourceId: view.resourceId,
    keepsWitnesses: view.keepsWitnesses,
    link: LINKS[view.link],
    up: view.up,
    state: STATES[view.state],
    inDoubt: int32(view.inDoubt),
    oldestInDoubt: ageOf(view.oldestInDoubtTimeMs, nowWallMs),
    foreignBranches: int32(view.foreignBranches),
    foreignBranchesOfLivingLogs: int32(view.foreignBranchesOfLivingLogs),
    lastError: boundedText(view.lastError),
    failures: int32(view.failures),
    nextTryTime: toOptionalTimestamp(view.nextTryTimeMs),
    pause: view.pause && {
      who: boundedText(view.pause.who),
      reason: boundedText(view.pause.why),
      time: toTimestamp(view.pause.timeMs),
    },
  }
}

/** Never negative: a wall clock that was set back makes nothing younger than now. */
export function ageOf(
  sinceTimeMs: number | undefined,
  nowWallMs: number,
): ReturnType<typeof toDuration> | undefined {
  return sinceTimeMs === undefined ? undefined : toDuration(Math.max(0, nowWallMs - sinceTimeMs))
}

/** Counts of the contract are int32: one that is greater is shown as the greatest. */
export function int32(count: number): number {
  return Math.min(count, 0x7fff_ffff)
}
