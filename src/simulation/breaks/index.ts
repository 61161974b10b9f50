/** The bugs that the simulator must catch. A break changes no production code: it wraps what is handed to it. */
import { abortWhileAppending } from './abort-while-appending.ts'
import { absenceAcknowledges } from './absence-acknowledges.ts'
import { commitsBeforeTold, lostAnswerTakenForAborted, rollsBackOnUnknown } from './applications.ts'
import type { Break } from './break.ts'
import { commitBeforeSync } from './commit-before-sync.ts'
import { commitOnMissingVote } from './commit-on-missing-vote.ts'
import { endBeforeLastAcknowledgement } from './end-before-last-acknowledgement.ts'
import { failedAppendAborts } from './failed-append-aborts.ts'
import { forceSkipped } from './force-skipped.ts'
import { forgetsWithoutScan } from './forgets-without-scan.ts'
import { goesOnAfterFailedWrite } from './goes-on-after-failed-write.ts'
import { impostorAdmitted } from './impostor-admitted.ts'
import { lateCommitAccepted } from './late-commit-accepted.ts'
import { damagedLogOpened, secondOwnerAccepted } from './log-files.ts'
import { verbBelieved, witnessBeforeList, witnessReadDirty } from './looking.ts'
import { noVoteCounts } from './no-vote-counts.ts'
import { oldCopyAdmitted } from './old-copy-admitted.ts'
import { onePhaseWithoutRecord } from './one-phase-without-record.ts'
import { onePhaseWitnessIgnored } from './one-phase-witness-ignored.ts'
import { operatorCommitUnmarked, operatorNotForced, operatorOverrulesDecision } from './operators.ts'
import {
  latePrepareAccepted,
  preparedBranchesAccepted,
  unsyncedAdmitted,
  voteBeforeForce,
  waitsForAnybody,
  witnessSweptByRange,
  workEndsItself,
} from './participants.ts'
import { presumeUnknownEpoch } from './presume-unknown-epoch.ts'
import { presumptionAgainstWitness } from './presumption-against-witness.ts'
import { requestForgotten } from './request-forgotten.ts'
import { retryGivesUp } from './retry-gives-up.ts'
import {
  endingBelievedEarly,
  endingOfOthersBelieved,
  leaseOfAnybody,
  listNotCompared,
  sessionEndMissed,
} from './sessions.ts'
import { syncAnsweredEarly } from './sync-answered-early.ts'
import { unknownTakenForDone } from './unknown-taken-for-done.ts'
import { witnessSweptBeforeEnd } from './witness-swept-before-end.ts'

export type { Break } from './break.ts'

/** In the order of the rules that they undo. */
export const BREAKS: readonly Break[] = [
  abortWhileAppending,
  rollsBackOnUnknown,
  commitsBeforeTold,
  lateCommitAccepted,
  leaseOfAnybody,
  verbBelieved,
  witnessBeforeList,
  witnessReadDirty,
  absenceAcknowledges,
  unknownTakenForDone,
  latePrepareAccepted,
  presumptionAgainstWitness,
  witnessSweptBeforeEnd,
  witnessSweptByRange,
  failedAppendAborts,
  goesOnAfterFailedWrite,
  damagedLogOpened,
  secondOwnerAccepted,
  forgetsWithoutScan,
  impostorAdmitted,
  oldCopyAdmitted,
  preparedBranchesAccepted,
  sessionEndMissed,
  listNotCompared,
  endingBelievedEarly,
  endingOfOthersBelieved,
  waitsForAnybody,
  workEndsItself,
  operatorOverrulesDecision,
  operatorNotForced,
  operatorCommitUnmarked,
  unsyncedAdmitted,
  onePhaseWithoutRecord,
  onePhaseWitnessIgnored,
  // What no rule says alone: the invariants themselves.
  forceSkipped,
  commitBeforeSync,
  syncAnsweredEarly,
  commitOnMissingVote,
  noVoteCounts,
  lostAnswerTakenForAborted,
  requestForgotten,
  endBeforeLastAcknowledgement,
  retryGivesUp,
  voteBeforeForce,
  presumeUnknownEpoch,
]

export function breakNamed(name: string): Break | undefined {
  return BREAKS.find((other) => other.name === name)
}
