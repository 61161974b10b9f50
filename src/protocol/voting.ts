/** Phase one: prepare goes to all branches at once, once; the votes come in; all yes is the moment of decision. */
import type { Xid } from '../base/ids.ts'
import { decideAbort, decideReadOnly, postDecision } from './deciding.ts'
import { sendDecision } from './delivering.ts'
import { findHeld } from './holding.ts'
import type { Vote } from './messages.ts'
import { committedUnasked, handOver, isHandedOver, mayHandOver, receiveOnePhaseVote } from './one-phase.ts'
import type { BranchWork } from './requests.ts'
import type { Branch, ParticipantState, Transaction, Turn } from './state.ts'
import { branchAt, isReachable, newBranch, note, participantOf } from './state.ts'

/** Beside the branches that its application has prepared, if there are any. */
export function prepareBranches(
  turn: Turn,
  transaction: Transaction,
  work: readonly BranchWork[],
  timeoutMs: number,
): void {
  const asked = work.map((branch) => newBranch(branch.participant, 'enlisted'))
  const prepared = transaction.branches
  transaction.branches = [...prepared, ...asked]
  transaction.phase = 'preparing'
  const lost = work
    .map(({ participant }) => participantOf(turn, participant))
    .find((other) => !isReachable(other))
  if (lost !== undefined) {
    // Nothing was sent yet: this abort owes nobody anything.
    const message = `participant "${lost.name}" is ${lost.pause === undefined ? 'not connected' : `paused: ${lost.pause.why}`}`
    decideAbort(turn, transaction, { cause: 'participant_lost', message, retryable: true })
    return
  }
  const [only] = work
  if (only !== undefined && prepared.length === 0 && mayHandOver(turn, work)) {
    handOver(turn, transaction, only, timeoutMs)
    return
  }
  transaction.votesMissing = work.length
  if (work.length === 0) {
    decide(turn, transaction)
    return
  }
  transaction.prepareSent = turn.now
  turn.state.deadlines.set(transaction, turn.now.monotonicMs + timeoutMs)
  for (const [index, branch] of asked.entries()) {
    branch.state = 'preparing'
    participantOf(turn, branch.participant).voting.add(transaction)
    note(turn, transaction, 'prepare_sent', branch.participant)
    turn.effects.push({
      type: 'send',
      participant: branch.participant,
      message: { type: 'prepare', xid: transaction.xid, work: work[index]?.work ?? NO_WORK, timeoutMs },
    })
  }
}

const NO_WORK = new Uint8Array()

export function receiveVote(turn: Turn, participant: ParticipantState, xid: Xid, vote: Vote): void {
  const transaction = turn.state.transactions.get(xid)
  const branch = branchAt(transaction, participant.name)
  if (transaction === undefined || branch === undefined) {
    if (vote.vote === 'yes') findHeld(turn, participant, { xid, prepareTimeMs: turn.now.wallMs })
    return
  }
  if (isHandedOver(transaction)) {
    receiveOnePhaseVote(turn, participant, transaction, vote)
    return
  }
  if (transaction.phase !== 'preparing' || branch.state !== 'preparing') {
    answerLateVote(turn, participant, transaction, branch, vote)
    return
  }
  branch.vote = vote
  note(turn, transaction, 'voted', participant.name, vote.vote === 'no' ? `no: ${vote.message}` : vote.vote)
  transaction.votesMissing -= 1
  switch (vote.vote) {
    case 'no':
      branch.state = 'aborted'
      decideAbort(turn, transaction, {
        cause: 'vote_no',
        message: `participant "${participant.name}" voted no: ${vote.message}`,
        retryable: vote.retryable,
      })
      return
    case 'committed':
      committedUnasked(turn, participant, transaction)
      decideAbort(turn, transaction, {
        cause: 'vote_no',
        message: `participant "${participant.name}" committed on its own`,
        retryable: false,
      })
      return
    case 'read_only':
      branch.state = 'read_only'
      participant.voting.delete(transaction)
      break
    case 'yes':
      branch.state = 'prepared'
      if (vote.pledgeTtlMs !== undefined) {
        transaction.pledgeTtlMs = Math.min(
          vote.pledgeTtlMs,
          transaction.pledgeTtlMs ?? Number.POSITIVE_INFINITY,
        )
      }
      break
  }
  if (transaction.votesMissing === 0) decide(turn, transaction)
}

/** A yes that comes after the abort is answered with abort (R4); a participant without witnesses needs it. */
function answerLateVote(
  turn: Turn,
  participant: ParticipantState,
  transaction: Transaction,
  branch: Branch,
  vote: Vote,
): void {
  const aborts = transaction.decision === 'abort' || transaction.phase === 'aborting'
  if (!aborts || vote.vote === 'read_only') return
  branch.vote ??= vote
  if (vote.vote === 'no') return
  if (vote.vote === 'committed') {
    committedUnasked(turn, participant, transaction)
    return
  }
  note(turn, transaction, 'voted', participant.name, 'yes, after the abort')
  if (transaction.phase === 'ended') {
    findHeld(turn, participant, { xid: transaction.xid, prepareTimeMs: turn.now.wallMs })
    return
  }
  if (branch.state === 'aborting' || branch.state === 'aborted') {
    sendDecision(turn, participant, transaction, branch)
  }
}

function decide(turn: Turn, transaction: Transaction): void {
  if (transaction.branches.every((branch) => branch.state === 'read_only')) {
    decideReadOnly(turn, transaction)
    return
  }
  if (pledgeExpires(turn, transaction)) {
    decideAbort(turn, transaction, {
      cause: 'pledge_expiring',
      message: `the shortest pledge, of ${transaction.pledgeTtlMs} ms, ends too soon to commit safely`,
      retryable: true,
    })
    return
  }
  postDecision(turn, transaction)
}

/**
 * A pledge's time is counted from the sending of its prepare, by whichever clock went further: a monotonic clock
 * stands still while the machine sleeps, a wall clock jumps.
 */
function pledgeExpires(turn: Turn, transaction: Transaction): boolean {
  const { pledgeTtlMs, prepareSent } = transaction
  if (pledgeTtlMs === undefined || prepareSent === undefined) return false
  const elapsedMs = Math.max(
    turn.now.monotonicMs - prepareSent.monotonicMs,
    turn.now.wallMs - prepareSent.wallMs,
  )
  return elapsedMs + turn.state.limits.pledgeMarginMs >= pledgeTtlMs
}
