/**
 * Ended transactions leave memory when their last record is durable; then their witnesses may go (R5). Ended
 * transactions leave the log when nobody can ask about them: `forgottenThrough` passes an xid only when every
 * known participant has since shown that it holds nothing at or below it (R9).
 */
import { present } from '../base/assert.ts'
import type { Xid, XidPosition } from '../base/ids.ts'
import { compareXids } from '../base/ids.ts'
import { revokeLeased } from './sessions.ts'
import type { Transaction, Turn } from './state.ts'

/** The last record of an ended transaction is durable. */
export function releaseEnded(turn: Turn, xid: Xid): void {
  const transaction = present(turn.state.transactions.get(xid), 'an ended transaction waits for its record')
  turn.state.transactions.delete(xid)
  transaction.session?.transactions.delete(transaction)
  if (transaction.request !== undefined) turn.state.requests.release(transaction.request, xid)
  if (mayGo(transaction)) sweepWitnesses(turn, xid, witnessed(transaction))
}

/**
 * Never after a heuristic, whose witness is the evidence; and never one that bars a one-phase commit whose answer was
 * lost: a late one would not pledge, and be found, but commit.
 */
function mayGo(transaction: Transaction): boolean {
  return !transaction.heuristic && !(transaction.answerLost && transaction.decision === 'abort')
}

function witnessed({ branches }: Transaction): readonly string[] {
  return branches
    .filter(({ state }) => state === 'committed' || state === 'aborted')
    .map(({ participant }) => participant)
}

/** By exact xid, never by age or range. */
export function sweepWitnesses(turn: Turn, xid: Xid, participants: readonly string[]): void {
  for (const name of participants) {
    const participant = turn.state.participants.get(name)
    if (participant === undefined || !participant.keepsWitnesses) continue
    if (participant.link === undefined) participant.forgets.push(xid)
    else turn.effects.push({ type: 'send', participant: name, message: { type: 'forget', xid } })
  }
}

/** Retention has passed for everything at or below: a candidate, to be confirmed by every participant. */
export function considerForgetting(turn: Turn, through: XidPosition): void {
  const { state } = turn
  if (state.forgottenThrough !== undefined && compareXids(through, state.forgottenThrough) <= 0) return
  // One at a time: a new candidate would begin the confirmations anew, and with a short retention never end them.
  if (state.forgetCandidate !== undefined) {
    forgetWhenClear(turn)
    return
  }
  state.forgetCandidate = { through, namedMs: turn.now.monotonicMs }
  for (const participant of state.participants.values()) participant.clearOfCandidate = false
  forgetWhenClear(turn)
}

export function forgetWhenClear(turn: Turn): void {
  const { state } = turn
  const candidate = state.forgetCandidate
  if (candidate === undefined || state.failure !== undefined) return
  for (const participant of state.participants.values()) {
    if (participant.known && !participant.clearOfCandidate) return
  }
  for (const transaction of state.transactions.values()) {
    if (compareXids(transaction, candidate.through) <= 0) return
  }
  // From here nothing at or below is presumed aborted, whether or not the log comes to record it.
  revokeLeased(state, candidate.through)
  state.forgottenThrough = candidate.through
  state.forgetCandidate = undefined
  turn.effects.push({ type: 'forget', through: candidate.through })
}
