/** The domain's words to and from the numbers of the contract's enums. */
import type { BranchResult, Evidence, Verb } from '../protocol/messages.ts'
import type { AbortCause } from '../protocol/records.ts'
import type { BranchState, Outcome, TimelineKind, TransactionState, WaitFor } from '../protocol/requests.ts'
import * as branch from './generated/pledged/v1/branch.ts'
import * as transaction from './generated/pledged/v1/transaction.ts'

/** Both directions of one enum. A number that isn't in the table, or is 0, has no word. */
export interface EnumTable<Word extends string, Value extends number> {
  readonly toProto: (word: Word) => Value
  readonly fromProto: (value: number) => Word | undefined
}

function enumTable<Word extends string, Value extends number>(
  values: Readonly<Record<Word, Value>>,
): EnumTable<Word, Value> {
  const words = new Map<number, Word>()
  for (const word in values) words.set(values[word], word)
  return { toProto: (word) => values[word], fromProto: (value) => words.get(value) }
}

export const transactionStates = enumTable<TransactionState, transaction.State>({
  active: transaction.State.ACTIVE,
  preparing: transaction.State.PREPARING,
  committing: transaction.State.COMMITTING,
  aborting: transaction.State.ABORTING,
  committed: transaction.State.COMMITTED,
  aborted: transaction.State.ABORTED,
})

export const outcomes = enumTable<Outcome, transaction.Outcome>({
  pending: transaction.Outcome.PENDING,
  committed: transaction.Outcome.COMMITTED,
  aborted: transaction.Outcome.ABORTED,
  unknown: transaction.Outcome.UNKNOWN,
})

export const abortCauses = enumTable<AbortCause, transaction.AbortCause>({
  vote_no: transaction.AbortCause.VOTE_NO,
  prepare_timeout: transaction.AbortCause.PREPARE_TIMEOUT,
  participant_lost: transaction.AbortCause.PARTICIPANT_LOST,
  client: transaction.AbortCause.CLIENT,
  idle_timeout: transaction.AbortCause.IDLE_TIMEOUT,
  session_lost: transaction.AbortCause.SESSION_LOST,
  operator: transaction.AbortCause.OPERATOR,
  pledge_expiring: transaction.AbortCause.PLEDGE_EXPIRING,
  drain: transaction.AbortCause.DRAIN,
})

export const waits = enumTable<WaitFor, transaction.WaitFor>({
  decision: transaction.WaitFor.DECISION,
  completion: transaction.WaitFor.COMPLETION,
})

export const branchStates = enumTable<BranchState, transaction.BranchState>({
  enlisted: transaction.BranchState.ENLISTED,
  preparing: transaction.BranchState.PREPARING,
  prepared: transaction.BranchState.PREPARED,
  read_only: transaction.BranchState.READ_ONLY,
  committing: transaction.BranchState.COMMITTING,
  committed: transaction.BranchState.COMMITTED,
  aborting: transaction.BranchState.ABORTING,
  aborted: transaction.BranchState.ABORTED,
  heuristic_committed: transaction.BranchState.HEURISTIC_COMMITTED,
  heuristic_aborted: transaction.BranchState.HEURISTIC_ABORTED,
  forgotten: transaction.BranchState.FORGOTTEN,
})

export const timelineKinds = enumTable<TimelineKind, transaction.TimelineEvent_Kind>({
  begun: transaction.TimelineEvent_Kind.BEGUN,
  prepare_sent: transaction.TimelineEvent_Kind.PREPARE_SENT,
  voted: transaction.TimelineEvent_Kind.VOTED,
  append_posted: transaction.TimelineEvent_Kind.APPEND_POSTED,
  decided: transaction.TimelineEvent_Kind.DECIDED,
  delivery_tried: transaction.TimelineEvent_Kind.DELIVERY_TRIED,
  acknowledged: transaction.TimelineEvent_Kind.ACKNOWLEDGED,
  ended: transaction.TimelineEvent_Kind.ENDED,
  broken: transaction.TimelineEvent_Kind.BROKEN,
  operator: transaction.TimelineEvent_Kind.OPERATOR,
})

export const decisions = enumTable<Verb, branch.Decision>({
  commit: branch.Decision.COMMIT,
  abort: branch.Decision.ABORT,
})

const results = enumTable<BranchResult, branch.BranchResult>({
  done: branch.BranchResult.DONE,
  done_before: branch.BranchResult.DONE_BEFORE,
  broken: branch.BranchResult.BROKEN,
  unknown: branch.BranchResult.UNKNOWN,
})

/** What isn't a known result is unknown (I7). */
export const branchResults = {
  toProto: results.toProto,
  fromProto: (value: number): BranchResult => results.fromProto(value) ?? 'unknown',
}

const evidences = enumTable<Evidence, branch.Evidence>({
  none: branch.Evidence.NONE,
  witness_committed: branch.Evidence.WITNESS_COMMITTED,
  witness_aborted: branch.Evidence.WITNESS_ABORTED,
  no_witness: branch.Evidence.NO_WITNESS,
})

/** What isn't known evidence proves nothing. */
export const evidence = {
  toProto: evidences.toProto,
  fromProto: (value: number): Evidence => evidences.fromProto(value) ?? 'none',
}
