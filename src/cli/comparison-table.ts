/** Branches as the log and their participants have them, as rows. */
import { BranchMatch, type ComparedBranch } from '../wire/generated/pledged/v1/admin_service.ts'
import { Outcome } from '../wire/generated/pledged/v1/transaction.ts'
import { formatAge } from './durations.ts'
import type { Style } from './style.ts'
import type { Cell, Table } from './table.ts'

const MATCHES: Readonly<Record<number, readonly [word: string, style?: Style]>> = {
  [BranchMatch.MATCHED]: ['matched', 'green'],
  [BranchMatch.ORPHAN]: ['orphan', 'yellow'],
  [BranchMatch.FOREIGN_LIVING]: ['foreign (living)'],
  [BranchMatch.FOREIGN_DEAD]: ['foreign (dead)', 'red'],
  [BranchMatch.MISSING]: ['missing', 'red'],
}

const OUTCOMES: Readonly<Record<number, string>> = {
  [Outcome.PENDING]: 'pending',
  [Outcome.COMMITTED]: 'committed',
  [Outcome.ABORTED]: 'aborted',
  [Outcome.UNKNOWN]: 'unknown',
}

export function comparisonTable(branches: readonly ComparedBranch[], nowMs: number): Table {
  return {
    heading: ['PARTICIPANT', 'XID', 'MATCH', 'HELD FOR', 'LOG SAYS', 'WHAT TO MAKE OF IT'],
    rows: branches.map((branch) => row(branch, nowMs)),
  }
}

function row(
  { participant, xid, match, prepareTime, outcome, message }: ComparedBranch,
  nowMs: number,
): (string | Cell)[] {
  // A word of a newer daemon's is shown as a question, not guessed.
  const [word, style] = MATCHES[match] ?? ['?']
  return [
    participant,
    xid,
    { text: word, style },
    prepareTime === undefined ? '-' : formatAge(nowMs - prepareTime.getTime()),
    OUTCOMES[outcome] ?? 'unknown',
    message === '' ? '-' : message,
  ]
}
