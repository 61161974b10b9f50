/** Transactions as clients and operators see them. */
import type { Xid } from '../base/ids.ts'
import { type HeuristicRecord, type KeptTransaction, unacknowledged } from './records.ts'
import type { BranchView, Outcome, TimelineEvent, TransactionState, TransactionView } from './requests.ts'
import type { Branch, Transaction } from './state.ts'

export function viewOf(transaction: Transaction): TransactionView {
  return {
    xid: transaction.xid,
    state: stateOf(transaction),
    outcome: outcomeOf(transaction),
    ...abortOf(transaction),
    branches: transaction.branches.map(viewOfBranch),
    heuristic: transaction.heuristic,
    requestId: transaction.request?.requestId ?? '',
    attempt: transaction.request?.attempt ?? 0,
    createTimeMs: transaction.createTimeMs,
    decideTimeMs: transaction.decideTimeMs,
    endTimeMs: transaction.endTimeMs,
    timeline: transaction.timeline.slice(),
    traceparent: transaction.traceparent,
  }
}

/** What was handed over keeps ready why it aborts, should it have aborted. */
function abortOf(
  transaction: Transaction,
): Pick<TransactionView, 'abortCause' | 'abortMessage' | 'retryable'> {
  if (transaction.decision !== 'abort') return { abortCause: undefined, abortMessage: '', retryable: false }
  return {
    abortCause: transaction.cause,
    abortMessage: transaction.message,
    retryable: transaction.retryable,
  }
}

function stateOf(transaction: Transaction): TransactionState {
  switch (transaction.phase) {
    case 'appending':
    case 'resolving':
    case 'handing_over':
    case 'handed_over':
      return 'preparing'
    case 'ended':
      return transaction.decision === 'commit' ? 'committed' : 'aborted'
    default:
      return transaction.phase
  }
}

function outcomeOf(transaction: Transaction): Outcome {
  if (transaction.unknown) return 'unknown'
  // It may have committed long ago: that it is pending would be a guess (I7).
  if (transaction.decision === undefined) return transaction.answerLost ? 'unknown' : 'pending'
  return transaction.decision === 'commit' ? 'committed' : 'aborted'
}

function viewOfBranch(branch: Branch): BranchView {
  return {
    participant: branch.participant,
    state: branch.state,
    vote: branch.vote,
    attempts: branch.attempts,
    lastError: branch.lastError,
    evidence: branch.evidence,
    cost: branch.cost,
  }
}

/** An ended transaction, from what the log kept of it. */
export function viewOfKept(kept: KeptTransaction): TransactionView {
  const { record, end, heuristics, branchesForgotten } = kept
  const commits = record.type === 'decision'
  const endTimeMs = commits ? end?.endTimeMs : record.endTimeMs
  const branchOf = (participant: string): BranchView => {
    const broken = heuristics.find((other) => other.participant === participant && other.withoutVote !== true)
    if (broken !== undefined) return viewOfBrokenBranch(broken)
    const isForgotten = branchesForgotten.some((other) => other.participant === participant)
    const state = isForgotten ? 'forgotten' : commits ? 'committed' : 'aborted'
    return { participant, state, attempts: 0, evidence: 'none' }
  }
  return {
    xid: record.xid,
    state: commits ? (end === undefined ? 'committing' : 'committed') : 'aborted',
    outcome: commits ? 'committed' : 'aborted',
    abortCause: commits ? undefined : record.cause,
    abortMessage: commits ? '' : record.message,
    retryable: commits ? false : record.retryable,
    branches: [
      ...record.branches.map(branchOf),
      ...(commits ? record.readOnly : []).map((participant) => ({
        ...branchOf(participant),
        state: 'read_only' as const,
      })),
    ],
    heuristic: unacknowledged(kept).length > 0,
    requestId: record.request?.requestId ?? '',
    attempt: record.request?.attempt ?? 0,
    createTimeMs: record.createTimeMs,
    decideTimeMs: record.decideTimeMs,
    endTimeMs,
    timeline: timelineOf(kept),
    traceparent: record.traceparent ?? '',
  }
}

function timelineOf(kept: KeptTransaction): TransactionView['timeline'] {
  const { record, end, heuristics, acknowledgements, branchesForgotten } = kept
  const commits = record.type === 'decision'
  const endTimeMs = commits ? end?.endTimeMs : record.endTimeMs
  const whole = { participant: '', message: '' }
  const operators = [
    ...branchesForgotten.map(({ timeMs, participant, who, why }) => ({
      timeMs,
      participant,
      kind: 'operator' as const,
      message: `given up by ${who}: ${why}`,
    })),
    ...acknowledgements.map(({ timeMs, who, why }) => ({
      ...whole,
      timeMs,
      kind: 'operator' as const,
      message: `acknowledged by ${who}: ${why}`,
    })),
  ]
  return [
    { ...whole, timeMs: record.createTimeMs, kind: 'begun' },
    {
      ...whole,
      timeMs: record.decideTimeMs,
      kind: 'decided',
      message: commits ? 'commit' : `abort: ${record.message}`,
    },
    ...heuristics.map(brokenEvent),
    ...operators,
    ...(endTimeMs === undefined ? [] : [{ ...whole, timeMs: endTimeMs, kind: 'ended' as const }]),
  ]
}

function brokenEvent({ timeMs, participant, message }: HeuristicRecord): TimelineEvent {
  return { timeMs, participant, kind: 'broken', message }
}

function viewOfBrokenBranch({ participant, ended, evidence }: HeuristicRecord): BranchView {
  const state = ended === 'commit' ? 'heuristic_committed' : 'heuristic_aborted'
  return { participant, state, attempts: 0, evidence }
}

/** A transaction of which the log has broken pledges, and nothing else. */
export function viewOfBroken(xid: Xid, broken: readonly HeuristicRecord[]): TransactionView {
  return {
    ...viewWithoutRecord(
      xid,
      'unknown',
      'the log has no decision of it, and a participant says that it committed',
    ),
    branches: broken.map(viewOfBrokenBranch),
    heuristic: true,
    createTimeMs: Math.min(...broken.map(({ timeMs }) => timeMs)),
    timeline: broken.map(brokenEvent),
  }
}

/** An xid that a session was leased and has not used. */
export function viewOfLeased(xid: Xid): TransactionView {
  return { ...viewWithoutRecord(xid, 'unknown', ''), state: 'active', outcome: 'pending' }
}

/** An xid without a record: what may be said of it, and why. */
export function viewWithoutRecord(
  xid: Xid,
  outcome: 'aborted' | 'unknown',
  reason = 'older than what the log has kept: nobody can say how it ended',
): TransactionView {
  return {
    xid,
    state: 'aborted',
    outcome,
    abortMessage:
      outcome === 'aborted' ? 'presumed aborted: the log that issued it has no decision of it' : reason,
    retryable: false,
    branches: [],
    heuristic: false,
    requestId: '',
    attempt: 0,
    createTimeMs: 0,
    timeline: [],
    traceparent: '',
  }
}
