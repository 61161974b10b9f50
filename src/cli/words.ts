/** The domain's words as a person reads them. */
import type { AbortCause } from '../protocol/records.ts'
import type { BranchState, BranchView, TimelineEvent, TransactionView } from '../protocol/requests.ts'
import { oneLine } from './text.ts'

/** A branch has pledged and has not said yet that it ended. */
export function isInDoubt(branch: BranchView): boolean {
  if (branch.state === 'prepared' || branch.state === 'committing') return true
  return branch.state === 'aborting' && branch.vote?.vote === 'yes'
}

/** It ended against the decision. */
export function isHeuristic({ state }: BranchView): boolean {
  return state === 'heuristic_committed' || state === 'heuristic_aborted'
}

/** Asked for something, and hasn't answered. */
export function isAwaited(branch: BranchView): boolean {
  return branch.state === 'preparing' || branch.state === 'committing' || branch.state === 'aborting'
}

const BRANCH_WORDS: Readonly<Record<BranchState, string>> = {
  enlisted: 'not asked yet',
  preparing: 'asked to prepare',
  prepared: 'prepared',
  read_only: 'read-only',
  committing: 'to commit',
  committed: 'committed',
  aborting: 'to abort',
  aborted: 'aborted',
  heuristic_committed: 'COMMITTED AGAINST THE DECISION',
  heuristic_aborted: 'ABORTED AGAINST THE DECISION',
  forgotten: 'given up',
}

export function branchWord(branch: BranchView, transaction: TransactionView): string {
  const waitsForDelivery = transaction.decideTimeMs !== undefined && isInDoubt(branch)
  return waitsForDelivery ? 'IN DOUBT' : BRANCH_WORDS[branch.state]
}

export function voteWord({ vote }: BranchView): string {
  if (vote === undefined) return '-'
  return vote.vote === 'read_only' ? 'read-only' : vote.vote
}

const ABORT_WORDS: Readonly<Record<AbortCause, string>> = {
  vote_no: 'a branch voted no',
  prepare_timeout: 'a vote did not come in time',
  participant_lost: 'a participant was lost before the decision',
  client: 'its client asked for it',
  idle_timeout: 'its client fell silent',
  session_lost: "its client's session broke",
  operator: 'an operator decided it',
  pledge_expiring: 'a pledge would have run out',
  drain: 'the daemon was shutting down',
}

/** Why it aborted: the coordinator's own sentence where there is one. */
export function abortReason({ abortCause, abortMessage }: TransactionView): string {
  if (abortMessage !== '') return oneLine(abortMessage)
  return abortCause === undefined ? '' : ABORT_WORDS[abortCause]
}

export function eventWord({ kind, message }: TimelineEvent): string {
  const detail = oneLine(message)
  const withDetail = (word: string): string => (detail === '' ? word : `${word}: ${detail}`)
  switch (kind) {
    case 'begun':
      return withDetail('begun')
    case 'prepare_sent':
      return withDetail('asked to prepare')
    case 'voted':
      return detail === '' ? 'voted' : `voted ${detail === 'read_only' ? 'read-only' : detail}`
    case 'append_posted':
      return withDetail('the decision was handed to the log: nothing can abort from here on')
    case 'decided':
      return detail === '' ? 'decided' : `decided to ${detail}`
    case 'delivery_tried':
      return withDetail('told the decision')
    case 'acknowledged':
      return withDetail('acknowledged')
    case 'ended':
      return withDetail('ended')
    case 'broken':
      return withDetail('ended against the decision')
    case 'operator':
      return withDetail('an operator')
  }
}

/** What the participant's own row says of how its branch ended; '' where it can't tell. */
export function evidenceWord({ evidence }: BranchView): string {
  switch (evidence) {
    case 'witness_committed':
      return 'its witness says committed'
    case 'witness_aborted':
      return 'its witness says aborted'
    case 'no_witness':
      return 'there is no witness that it committed'
    case 'none':
      return ''
  }
}
