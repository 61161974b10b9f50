/**
 * Phase two: each branch is told the decision, at once or through recovery, until it acknowledges. What is owed
 * stays owed: no caller's deadline, no absence from a scan ends it.
 */
import { present } from '../base/assert.ts'
import type { Xid } from '../base/ids.ts'
import { parseXid } from '../base/ids.ts'
import { endTransaction } from './ending.ts'
import type { ParticipantMessage, Verb } from './messages.ts'
import { isHandedOver, receiveOnePhaseDoubt, receiveOnePhaseOutcome } from './one-phase.ts'
import type { HeuristicRecord } from './records.ts'
import type { Branch, Owed, ParticipantState, Transaction, Turn } from './state.ts'
import { branchAt, heuristicKey, isHeuristic, isReachable, note, participantOf } from './state.ts'

/** The message itself leaves with the append's `then`; here it is only booked. */
export function oweCommit(turn: Turn, transaction: Transaction, branch: Branch): void {
  owe(turn, participantOf(turn, branch.participant), transaction, branch, 'commit')
}

/** Books a decision that a branch must be told. On a link that is up it is being sent in this very turn. */
export function owe(
  turn: Turn,
  participant: ParticipantState,
  transaction: Transaction,
  branch: Branch,
  verb: Verb,
): void {
  const up = participant.link !== undefined
  // Kept in the order of sending: the oldest that is unanswered is the first.
  participant.owed.delete(transaction.xid)
  participant.owed.set(transaction.xid, {
    verb,
    transaction,
    sentMs: up ? turn.now.monotonicMs : undefined,
    attempts: up ? 1 : 0,
    sinceTimeMs: turn.now.wallMs,
    lastError: up ? '' : 'not connected',
  })
  branch.attempts = up ? 1 : 0
  if (up) note(turn, transaction, 'delivery_tried', branch.participant)
  else trouble(turn, participant, transaction.xid, 'owed', 'not connected')
}

/** What was sent has to be sent again, and whoever asks is told why. */
export function notDelivered(turn: Turn, participant: ParticipantState, owed: Owed, reason: string): void {
  owed.sentMs = undefined
  owed.lastError = reason
  const branch = branchAt(owed.transaction, participant.name)
  if (branch !== undefined) branch.lastError = { message: reason, timeMs: turn.now.wallMs }
}

/** Hands a decision that could not be delivered to recovery. */
export function trouble(
  turn: Turn,
  participant: ParticipantState,
  xid: Xid,
  type: 'owed' | 'delivery_failed',
  reason: string,
): void {
  participant.troubled.add(xid)
  turn.effects.push({ type: 'recovery', participant: participant.name, signal: { type, reason } })
}

export function sendVerb(turn: Turn, participant: ParticipantState, xid: Xid, verb: Verb): void {
  turn.effects.push({ type: 'send', participant: participant.name, message: { type: verb, xid } })
}

/** Sends the decision of an unended transaction to one branch, again. */
export function sendDecision(
  turn: Turn,
  participant: ParticipantState,
  transaction: Transaction,
  branch: Branch,
): void {
  const verb = present(transaction.decision, 'only a decision is delivered')
  if (branch.state === 'aborted') {
    // It had voted no, or was never asked, and now says that it has pledged: it must be told like the others.
    branch.state = 'aborting'
    transaction.unacknowledged += 1
  }
  owe(turn, participant, transaction, branch, verb)
  if (participant.link !== undefined) sendVerb(turn, participant, transaction.xid, verb)
}

/** Recovery's sweep: every decision that the participant has not acknowledged, all at once. */
export function deliverOwed(turn: Turn, name: string): void {
  const participant = participantOf(turn, name)
  if (!isReachable(participant)) return
  for (const [xid, owed] of Array.from(participant.owed)) {
    if (owed.sentMs !== undefined && !participant.troubled.has(xid)) continue
    participant.owed.delete(xid)
    participant.owed.set(xid, owed)
    owed.sentMs = turn.now.monotonicMs
    owed.attempts += 1
    participant.troubled.add(xid)
    const branch = branchAt(owed.transaction, name)
    if (branch !== undefined) branch.attempts = owed.attempts
    if (owed.transaction !== undefined) note(turn, owed.transaction, 'delivery_tried', name)
    sendVerb(turn, participant, xid, owed.verb)
  }
  if (participant.troubled.size === 0) {
    turn.effects.push({ type: 'recovery', participant: name, signal: { type: 'settled' } })
  }
}

export function receiveResult(
  turn: Turn,
  participant: ParticipantState,
  message: Extract<ParticipantMessage, { type: 'result' }>,
): void {
  const owed = participant.owed.get(message.xid)
  if (owed === undefined) {
    const transaction = turn.state.transactions.get(message.xid)
    if (transaction !== undefined && isHandedOver(transaction))
      receiveOnePhaseDoubt(turn, transaction, message.message)
    // The presumption was taken back while its abort was on the way, and found that it had been broken, too (R4).
    else if (message.result === 'broken' && isHeuristic(turn, message.xid))
      breakPledge(turn, participant, message)
    return
  }
  if (owed.verb !== message.verb) return
  if (owed.transaction !== undefined && isHandedOver(owed.transaction))
    return receiveOnePhaseOutcome(turn, participant, owed, message)
  const branch = branchAt(owed.transaction, participant.name)
  if (branch !== undefined) branch.evidence = message.evidence
  switch (message.result) {
    case 'done':
    case 'done_before':
      return acknowledged(turn, participant, message.xid, 'acknowledged', message.message)
    case 'broken':
      breakPledge(turn, participant, message)
      return acknowledged(turn, participant, message.xid, 'broken', message.message)
    case 'unknown': {
      const reason = message.message === '' ? 'the participant can not say' : message.message
      notDelivered(turn, participant, owed, reason)
      return trouble(turn, participant, message.xid, 'delivery_failed', reason)
    }
  }
}

export function acknowledged(
  turn: Turn,
  participant: ParticipantState,
  xid: Xid,
  how: 'acknowledged' | 'broken',
  message: string,
): void {
  const owed = present(participant.owed.get(xid), 'only what is owed is acknowledged')
  settle(turn, participant, xid)
  const transaction = owed.transaction
  if (how === 'acknowledged') noteMended(turn, participant, xid, owed.verb)
  if (transaction === undefined) {
    endedBefore(turn, participant, xid, owed.verb)
    return
  }
  const branch = present(branchAt(transaction, participant.name), 'what is owed has its branch')
  branch.cost = undefined
  if (how === 'acknowledged') branch.state = owed.verb === 'commit' ? 'committed' : 'aborted'
  note(turn, transaction, how, participant.name, message)
  transaction.unacknowledged -= 1
  if (transaction.unacknowledged === 0) endTransaction(turn, transaction)
}

/** Nothing is owed for it any more. */
export function settle(turn: Turn, participant: ParticipantState, xid: Xid): void {
  participant.owed.delete(xid)
  participant.scan?.endedMeanwhile.add(xid)
  if (participant.troubled.delete(xid) && participant.troubled.size === 0) {
    turn.effects.push({ type: 'recovery', participant: participant.name, signal: { type: 'settled' } })
  }
}

/** A branch that had broken its pledge was told again, and could follow: a person is still to see what happened. */
function noteMended(turn: Turn, participant: ParticipantState, xid: Xid, verb: Verb): void {
  // Seldom: there is none, and no name to be made to look for it.
  if (turn.state.heuristics.size === 0) return
  const broken = turn.state.heuristics.get(heuristicKey(xid, participant.name))
  if (broken === undefined || broken.withoutVote === true || broken.ended === verb) return
  recordHeuristic(turn, { ...broken, message: `${broken.message}; told again, it has ended as decided` })
}

/**
 * Its transaction is not in memory: it was presumed aborted, and has no record, or its end is durable. Of another
 * log's branch, which an operator ended, the witness is all the evidence that there is.
 */
function endedBefore(turn: Turn, participant: ParticipantState, xid: Xid, verb: Verb): void {
  const ended = turn.state.transactions.get(xid)
  if (ended !== undefined) {
    // Its last record is on its way to the log: until then the witness stays, and goes with those of the others.
    const branch = branchAt(ended, participant.name)
    if (branch?.state === 'forgotten') branch.state = verb === 'commit' ? 'committed' : 'aborted'
    return
  }
  if (turn.state.heuristics.has(heuristicKey(xid, participant.name))) return
  if (parseXid(xid).logId === turn.state.logId && participant.keepsWitnesses) {
    turn.effects.push({ type: 'send', participant: participant.name, message: { type: 'forget', xid } })
  }
}

/** I1: a branch that ended against the decision is recorded, and reported until a person acknowledges it. */
function breakPledge(
  turn: Turn,
  participant: ParticipantState,
  message: Extract<ParticipantMessage, { type: 'result' }>,
): void {
  const transaction = participant.owed.get(message.xid)?.transaction
  // A branch of another log, which an operator ended: whether that breaks anything isn't known here.
  if (transaction === undefined && parseXid(message.xid).logId !== turn.state.logId) return
  const known = turn.state.heuristics.get(heuristicKey(message.xid, participant.name))
  // Told again at an operator's request, and it could not follow this time either.
  if (known !== undefined && known.withoutVote !== true) return
  endAgainst(turn, transaction, {
    type: 'heuristic',
    xid: message.xid,
    participant: participant.name,
    ended: message.verb === 'commit' ? 'abort' : 'commit',
    evidence: message.evidence,
    message: message.message,
    timeMs: turn.now.wallMs,
  })
}

/** Marks the branch and its transaction, where they are in memory, and records it. */
export function endAgainst(turn: Turn, transaction: Transaction | undefined, record: HeuristicRecord): void {
  const branch = branchAt(transaction, record.participant)
  if (branch !== undefined)
    branch.state = record.ended === 'commit' ? 'heuristic_committed' : 'heuristic_aborted'
  if (transaction !== undefined) transaction.heuristic = true
  recordHeuristic(turn, record)
}

export function recordHeuristic(turn: Turn, record: HeuristicRecord): void {
  turn.state.heuristics.set(heuristicKey(record.xid, record.participant), record)
  turn.effects.push({
    type: 'append',
    records: [record],
    forced: true,
    token: { of: 'heuristic' },
    then: [],
  })
}
