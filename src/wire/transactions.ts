/** TransactionView, what clients and operators see of a transaction, to and from the contract's Transaction. */
import { PledgedError } from '../base/errors.ts'
import { xidOf } from '../base/ids.ts'
import type { Vote } from '../protocol/messages.ts'
import type { Answer, BranchView, TimelineEvent, TransactionView } from '../protocol/requests.ts'
import { abortCauses, branchStates, evidence, outcomes, timelineKinds, transactionStates } from './enums.ts'
import type * as proto from './generated/pledged/v1/transaction.ts'
import { boundedText } from './text.ts'
import { fromOptionalTimestamp, fromTimestamp, toOptionalTimestamp, toTimestamp } from './time.ts'
import { optionalVoteFromProto, voteToProto } from './votes.ts'

export function transactionToProto(view: TransactionView): proto.Transaction {
  return {
    xid: view.xid,
    state: transactionStates.toProto(view.state),
    outcome: outcomes.toProto(view.outcome),
    abortCause: view.abortCause === undefined ? 0 : abortCauses.toProto(view.abortCause),
    abortMessage: view.abortMessage,
    abortRetryable: view.retryable,
    branches: view.branches.map(branchToProto),
    heuristic: view.heuristic,
    requestId: view.requestId,
    attempt: view.attempt,
    createTime: toTimestamp(view.createTimeMs),
    decideTime: toOptionalTimestamp(view.decideTimeMs),
    endTime: toOptionalTimestamp(view.endTimeMs),
    timeline: view.timeline.map((event) => ({
      time: toTimestamp(event.timeMs),
      participant: event.participant,
      kind: timelineKinds.toProto(event.kind),
      message: event.message,
    })),
    traceparent: view.traceparent,
  }
}

/** A daemon newer than this client may say what this client has no word for: see each field. */
export function transactionFromProto(message: proto.Transaction): TransactionView {
  const state = transactionStates.fromProto(message.state)
  if (state === undefined) throw notUnderstood('state', message.xid)
  return {
    xid: xidOf(message.xid),
    state,
    // Never rounded: an outcome that isn't understood isn't known.
    outcome: outcomes.fromProto(message.outcome) ?? 'unknown',
    abortCause: abortCauses.fromProto(message.abortCause),
    abortMessage: message.abortMessage,
    retryable: message.abortRetryable,
    branches: message.branches.map((branch) => branchFromProto(branch, message.xid)),
    heuristic: message.heuristic,
    requestId: message.requestId,
    attempt: message.attempt,
    createTimeMs: fromOptionalTimestamp('create_time', message.createTime) ?? 0,
    decideTimeMs: fromOptionalTimestamp('decide_time', message.decideTime),
    endTimeMs: fromOptionalTimestamp('end_time', message.endTime),
    timeline: message.timeline.flatMap(timelineEventFromProto),
    traceparent: message.traceparent,
  }
}

/** Of a call whose response says `replayed`, and of one whose response doesn't. */
export function answerFromProto(response: {
  readonly transaction: proto.Transaction | undefined
  readonly replayed?: boolean
}): Answer {
  if (response.transaction === undefined) {
    throw new PledgedError('INTERNAL', 'the daemon answered without a transaction: is it a Pledged daemon?')
  }
  return { transaction: transactionFromProto(response.transaction), replayed: response.replayed ?? false }
}

function branchToProto(branch: BranchView): proto.Branch {
  const { vote, message, retryable, pledgeTtl } = voteToProto(branch.vote)
  return {
    participant: branch.participant,
    state: branchStates.toProto(branch.state),
    vote,
    voteMessage: message,
    voteRetryable: retryable,
    pledgeTtl,
    attempts: branch.attempts,
    lastError:
      branch.lastError === undefined
        ? undefined
        : { message: branch.lastError.message, time: toTimestamp(branch.lastError.timeMs) },
    evidence: evidence.toProto(branch.evidence),
    cost: boundedText(branch.cost ?? ''),
  }
}

function branchFromProto(branch: proto.Branch, xid: string): BranchView {
  const state = branchStates.fromProto(branch.state)
  if (state === undefined) throw notUnderstood(`state of branch "${branch.participant}"`, xid)
  return {
    participant: branch.participant,
    state,
    vote: branchVote(branch),
    attempts: branch.attempts,
    lastError:
      branch.lastError === undefined
        ? undefined
        : {
            message: branch.lastError.message,
            timeMs: fromOptionalTimestamp('last_error.time', branch.lastError.time) ?? 0,
          },
    evidence: evidence.fromProto(branch.evidence),
    ...(branch.cost !== '' && { cost: branch.cost }),
  }
}

function branchVote(branch: proto.Branch): Vote | undefined {
  return optionalVoteFromProto({
    vote: branch.vote,
    message: branch.voteMessage,
    retryable: branch.voteRetryable,
    pledgeTtl: branch.pledgeTtl,
  })
}

/** An event of a kind that this client doesn't know is left out: the timeline is for people. */
function timelineEventFromProto(event: proto.TimelineEvent): TimelineEvent[] {
  const kind = timelineKinds.fromProto(event.kind)
  if (kind === undefined || event.time === undefined) return []
  const timeMs = fromTimestamp('timeline.time', event.time)
  return [{ timeMs, participant: event.participant, kind, message: event.message }]
}

function notUnderstood(what: string, xid: string): PledgedError {
  return new PledgedError(
    'INTERNAL',
    `the daemon answered with a ${what} that this client doesn't know (transaction ${xid}): update the client`,
  )
}
