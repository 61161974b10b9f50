/** The bugs that the simulator must catch. A break changes no production code: it wraps what is handed to it. */
import { abortWhileAppending } from './abort-while-appending.ts'
import { absenceAcknowledges } from './absence-acknowledges.ts'
import type { Break } from './break.ts'
import { commitBeforeSync } from './commit-before-sync.ts'
import { endBeforeLastAcknowledgement } from './end-before-last-acknowledgement.ts'
import { failedAppendAborts } from './failed-append-aborts.ts'
import { noVoteCounts } from './no-vote-counts.ts'
import { onePhaseWithoutRecord } from './one-phase-without-record.ts'
import { onePhaseWitnessIgnored } from './one-phase-witness-ignored.ts'
import { presumeUnknownEpoch } from './presume-unknown-epoch.ts'
import { requestForgotten } from './request-forgotten.ts'
import { syncAnsweredEarly } from './sync-answered-early.ts'
import { unknownTakenForDone } from './unknown-taken-for-done.ts'

export type { Break } from './break.ts'

export const BREAKS: readonly Break[] = [
  commitBeforeSync,
  abortWhileAppending,
  presumeUnknownEpoch,
  {
    name: 'late-prepare-accepted',
    does: 'an abort that finds nothing prepared leaves no witness: a prepare that comes late pledges (R4)',
    slips: { acceptsLatePrepare: true },
  },
  unknownTakenForDone,
  {
    name: 'vote-before-force',
    does: 'a participant votes yes before its pledge is on stable storage (I4)',
    slips: { votesBeforeForce: true },
  },
  syncAnsweredEarly,
  failedAppendAborts,
  noVoteCounts,
  absenceAcknowledges,
  endBeforeLastAcknowledgement,
  requestForgotten,
  onePhaseWithoutRecord,
  onePhaseWitnessIgnored,
]

export function breakNamed(name: string): Break | undefined {
  return BREAKS.find((other) => other.name === name)
}
