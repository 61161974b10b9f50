/** Branches that broke their pledge are left alone, unless a person wants them told again. */
import { tellHeld } from '../holding.ts'
import type { HeuristicRecord } from '../records.ts'
import type { Turn } from '../state.ts'
import { isReachable, participantOf } from '../state.ts'

/** `ended` is what it did, so the decision was the other; a participant that is away is not waited for. */
export function retellBroken(turn: Turn, broken: readonly HeuristicRecord[]): void {
  for (const { xid, participant: name, ended } of broken) {
    const participant = participantOf(turn, name)
    if (!isReachable(participant) || participant.owed.has(xid)) continue
    tellHeld(turn, participant, xid, ended === 'commit' ? 'abort' : 'commit', turn.now.wallMs)
  }
}
