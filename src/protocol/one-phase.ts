/**
 * R17, one phase: a transaction's only branch is handed to its participant, which commits it at once, its witness in
 * the same local transaction. A record is forced before the work is sent: from then on only the participant can tell
 * the outcome, and whoever asks after a crash finds that out instead of a presumption.
 *
 * A lost answer is read by an abort (R4): where nothing has committed it bars a prepare that comes late, and the
 * transaction has aborted; where a witness stands in its way the transaction has committed. Until then the outcome
 * is unknown, and is answered so when the caller has waited long enough (I7).
 */
import { present } from '../base/assert.ts'
import type { Xid } from '../base/ids.ts'
import {
  type AbortReason,
  answerDecision,
  answerUnknown,
  bookCommit,
  decideAbort,
  postDecision,
  stopVoting,
} from './deciding.ts'
import { endAgainst, notDelivered, owe, sendVerb, settle, trouble } from './delivering.ts'
import type { AppendToken } from './effects.ts'
import { endTransaction } from './ending.ts'
import type { ParticipantMessage, Vote } from './messages.ts'
import type { BranchWork } from './requests.ts'
import type { Branch, Owed, ParticipantState, Transaction, Turn } from './state.ts'
import { note, participantOf } from './state.ts'
import { receiveVote } from './voting.ts'

/** Only where a witness can tell afterwards. With a log that can't be written the ordinary way says so. */
export function mayHandOver(turn: Turn, work: readonly BranchWork[]): boolean {
  const [only, ...others] = work
  if (only === undefined || others.length > 0 || turn.state.failure !== undefined) return false
  const participant = participantOf(turn, only.participant)
  return participant.onePhase && participant.keepsWitnesses
}

export function handOver(turn: Turn, transaction: Transaction, work: BranchWork, timeoutMs: number): void {
  const { xid } = transaction
  // Its owner's idle time is over with this; that for the answer begins when the work is sent.
  turn.state.deadlines.delete(transaction)
  onlyBranch(transaction).state = 'preparing'
  participantOf(turn, work.participant).voting.add(transaction)
  transaction.phase = 'handing_over'
  note(turn, transaction, 'append_posted')
  turn.effects.push({
    type: 'append',
    records: [
      {
        type: 'one_phase',
        xid,
        participant: work.participant,
        owner: transaction.owner,
        request: transaction.request,
        createTimeMs: transaction.createTimeMs,
        traceparent: transaction.traceparent === '' ? undefined : transaction.traceparent,
      },
    ],
    forced: true,
    token: { of: 'one_phase', xid, timeoutMs },
    then: [
      {
        type: 'send',
        participant: work.participant,
        message: { type: 'prepare', xid, work: work.work, timeoutMs, onePhase: true },
      },
    ],
  })
}

/** The record is durable, and the work leaves with this. */
export function handedOver(turn: Turn, token: Extract<AppendToken, { of: 'one_phase' }>): void {
  const transaction = present(turn.state.transactions.get(token.xid), 'what is handed over stays')
  const { participant } = onlyBranch(transaction)
  transaction.phase = 'handed_over'
  transaction.prepareSent = turn.now
  turn.state.deadlines.set(transaction, turn.now.monotonicMs + token.timeoutMs)
  note(turn, transaction, 'prepare_sent', participant)
  if (participantOf(turn, participant).link === undefined) {
    readOutcome(turn, transaction, participantLost(participant, 'its link closed while the work was sent'))
  }
}

export function participantLost(participant: string, reason: string): AbortReason {
  return {
    cause: 'participant_lost',
    message: `participant "${participant}" was lost: ${reason}`,
    retryable: true,
  }
}

/** The answer is lost, or late: the abort asks for the outcome. `reason` is why it aborts, should it have aborted. */
export function readOutcome(turn: Turn, transaction: Transaction, reason: AbortReason): void {
  const branch = onlyBranch(transaction)
  const participant = participantOf(turn, branch.participant)
  stopVoting(turn, transaction)
  transaction.answerLost = true
  transaction.cause = reason.cause
  transaction.message = reason.message
  transaction.retryable = reason.retryable
  owe(turn, participant, transaction, branch, 'abort')
  if (participant.link !== undefined) sendVerb(turn, participant, transaction.xid, 'abort')
  answerInTime(turn, transaction)
}

/** Whoever waits is told "unknown" where the participant can't be asked for as long as a vote may take. */
function answerInTime(turn: Turn, transaction: Transaction): void {
  turn.state.deadlines.set(transaction, turn.now.monotonicMs + turn.state.limits.prepareTimeoutMs)
}

/** The time for the vote is over, or that for its outcome. */
export function expireHandedOver(turn: Turn, transaction: Transaction): void {
  const branch = onlyBranch(transaction)
  if (participantOf(turn, branch.participant).owed.has(transaction.xid)) {
    answerUnknown(turn, transaction)
    return
  }
  readOutcome(turn, transaction, {
    cause: 'prepare_timeout',
    message: `no answer within the prepare timeout from "${branch.participant}"`,
    retryable: true,
  })
}

/** The participant's answer to the work. */
export function receiveOnePhaseVote(
  turn: Turn,
  participant: ParticipantState,
  transaction: Transaction,
  vote: Vote,
): void {
  const branch = onlyBranch(transaction)
  const asked = participant.owed.has(transaction.xid)
  // Once the abort is on its way only a commit that came before it says more than its answer will.
  if (asked && vote.vote !== 'committed') return
  if (vote.vote === 'yes') {
    // It pledges, as any branch does: from here on it is one, and commit is decided here.
    transaction.phase = 'preparing'
    transaction.votesMissing = 1
    receiveVote(turn, participant, transaction.xid, vote)
    return
  }
  branch.vote = vote
  note(turn, transaction, 'voted', participant.name, vote.vote === 'no' ? `no: ${vote.message}` : vote.vote)
  switch (vote.vote) {
    case 'committed':
      if (asked) settle(turn, participant, transaction.xid)
      return committed(turn, transaction, branch)
    case 'no':
      branch.state = 'aborted'
      return decideAbort(turn, transaction, {
        cause: 'vote_no',
        message: `participant "${participant.name}" voted no: ${vote.message}`,
        retryable: vote.retryable,
      })
    case 'read_only':
      branch.state = 'read_only'
      return postDecision(turn, transaction)
  }
}

/** A result in place of a vote: the participant itself doesn't know whether its commit went through. */
export function receiveOnePhaseDoubt(turn: Turn, transaction: Transaction, message: string): void {
  readOutcome(turn, transaction, participantLost(onlyBranch(transaction).participant, message))
}

/** The answer to the abort that asks for the outcome. */
export function receiveOnePhaseOutcome(
  turn: Turn,
  participant: ParticipantState,
  owed: Owed,
  message: Extract<ParticipantMessage, { type: 'result' }>,
): void {
  const transaction = present(owed.transaction, 'what was handed over is in memory')
  const branch = onlyBranch(transaction)
  branch.evidence = message.evidence
  if (message.result === 'done' || message.result === 'done_before') {
    settle(turn, participant, transaction.xid)
    branch.state = 'aborted'
    const { cause, message: why, retryable } = transaction
    decideAbort(turn, transaction, {
      cause: present(cause, 'set with the question'),
      message: why,
      retryable,
    })
    return
  }
  if (message.result === 'broken' && message.evidence === 'witness_committed') {
    settle(turn, participant, transaction.xid)
    committed(turn, transaction, branch)
    return
  }
  const reason = message.message === '' ? 'the participant can not say how the branch ended' : message.message
  notDelivered(turn, participant, owed, reason)
  trouble(turn, participant, transaction.xid, 'delivery_failed', reason)
}

/** The database's own commit is the decision (I2). Our records of it are lazy: it can be asked again. */
function committed(turn: Turn, transaction: Transaction, branch: Branch): void {
  stopVoting(turn, transaction)
  transaction.cause = undefined
  transaction.message = ''
  transaction.retryable = false
  branch.state = 'committed'
  bookCommit(turn, transaction, 'commit, in one phase')
  answerDecision(turn, transaction)
  endTransaction(turn, transaction)
}

/** A participant that committed what it was not allowed to commit. The others end as they must; a person is told. */
export function committedUnasked(turn: Turn, participant: ParticipantState, transaction: Transaction): void {
  endAgainst(turn, transaction, {
    type: 'heuristic',
    xid: transaction.xid,
    participant: participant.name,
    ended: 'commit',
    evidence: 'none',
    message: 'it says that it committed before any decision, which it was not asked to do',
    timeMs: turn.now.wallMs,
  })
}

export function isHandedOver(transaction: Transaction): boolean {
  return transaction.phase === 'handed_over'
}

/** After an opening of the log: what was handed over and is not known to have ended is asked for on first contact. */
export function waitForOutcomes(turn: Turn): void {
  for (const transaction of turn.state.transactions.values()) {
    if (isHandedOver(transaction)) answerInTime(turn, transaction)
  }
}

function onlyBranch(transaction: Transaction): Branch {
  return present(transaction.branches[0], `${transaction.xid satisfies Xid} has one branch`)
}
