/** One transaction as a page for a person: what was decided, where each branch stands, why it waits, what to do. */
import type { BranchView, TransactionView } from '../protocol/requests.ts'
import type { ParticipantStatus } from '../wire/generated/pledged/v1/participant.ts'
import { formatAge, formatDuration, formatTime } from './durations.ts'
import { paragraphs } from './paragraph.ts'
import type { Style } from './style.ts'
import { aligned, type Cell, type TableLayout } from './table.ts'
import { counted, oneLine } from './text.ts'
import { timelineLines } from './timeline-lines.ts'
import { adviceFor, handedOver } from './transaction-advice.ts'
import { errorOf, stateStyle, stateText } from './transaction-table.ts'
import { abortReason, branchWord, evidenceWord, isHeuristic, isInDoubt, voteWord } from './words.ts'

export interface TransactionPage {
  readonly transaction: TransactionView
  /** By name. Those that the daemon doesn't know any more are missing. */
  readonly participants: ReadonlyMap<string, ParticipantStatus>
  readonly nowMs: number
  readonly layout: TableLayout
}

export function renderTransaction(page: TransactionPage): string[] {
  const { transaction, layout } = page
  return [
    titleLine(page),
    decisionLine(page),
    ...aligned(
      transaction.branches.map((branch) => branchRow(branch, page)),
      { ...layout, columns: undefined },
    ),
    ...paragraphs(adviceFor(page), layout),
    ...timelineLines(transaction, page),
  ]
}

function titleLine({ transaction, nowMs, layout }: TransactionPage): string {
  const { xid, createTimeMs, endTimeMs, requestId, attempt } = transaction
  const parts = [layout.paint(stateStyle(transaction), stateText(transaction))]
  if (createTimeMs !== 0) parts.push(`begun ${ago(createTimeMs, nowMs)}`)
  if (endTimeMs !== undefined) parts.push(`ended ${ago(endTimeMs, nowMs)}`)
  if (requestId !== '') parts.push(`request ${oneLine(requestId)}, attempt ${attempt}`)
  return `${layout.paint('bold', xid)}  ${parts.join('; ')}`
}

function ago(timeMs: number, nowMs: number): string {
  return `${formatAge(nowMs - timeMs)} ago (${formatTime(timeMs, nowMs)})`
}

function decisionLine(page: TransactionPage): string {
  return `${page.layout.paint('bold', 'decision')} ${decisionText(page)}`
}

function decisionText({ transaction, nowMs }: TransactionPage): string {
  const { outcome, state, decideTimeMs, branches, timeline } = transaction
  const at = decideTimeMs === undefined ? '' : formatTime(decideTimeMs, nowMs)
  switch (outcome) {
    case 'unknown':
      return `unknown${colon(abortReason(transaction))}; it is not to be taken for committed, nor for aborted`
    case 'committed': {
      const isForced = branches.some((branch) => branch.state !== 'read_only')
      return `commit, ${isForced ? 'forced ' : 'with nothing to force (read-only) '}${at}; whoever asks is told "committed"`
    }
    case 'aborted':
      return `abort${at === '' ? '' : `, ${at}`}${colon(abortReason(transaction))}${again(transaction)}`
    case 'pending':
      if (handedOver(transaction) !== undefined) return "its only participant's: it commits by itself"
      if (timeline.some(({ kind }) => kind === 'append_posted')) return 'is being written to the log'
      return state === 'active'
        ? 'none yet: its client has not asked to commit'
        : 'none yet: votes are missing'
  }
}

function colon(text: string): string {
  return text === '' ? '' : `: ${text}`
}

function again({ retryable }: TransactionView): string {
  return retryable ? ' (another attempt may succeed)' : ''
}

function branchRow(branch: BranchView, page: TransactionPage): Cell[] {
  const { transaction } = page
  return [
    { text: `  ${oneLine(branch.participant)}` },
    { text: voteWord(branch), style: branch.vote?.vote === 'no' ? 'red' : undefined },
    { text: branchWord(branch, transaction), style: branchStyle(branch, transaction) },
    { text: branchDetail(branch, page) },
  ]
}

function branchStyle(branch: BranchView, transaction: TransactionView): Style | undefined {
  if (isHeuristic(branch)) return 'red'
  if (isInDoubt(branch)) return transaction.decideTimeMs === undefined ? undefined : 'yellow'
  return branch.state === 'committed' ? 'green' : undefined
}

function branchDetail(branch: BranchView, page: TransactionPage): string {
  const { transaction } = page
  const noVote = branch.vote?.vote === 'no' ? oneLine(branch.vote.message) : ''
  if (noVote !== '') return noVote
  if (isHeuristic(branch)) return evidenceWord(branch)
  if (branch.state === 'committing' || branch.state === 'aborting') {
    return [deliveryText(branch, page), ...(isInDoubt(branch) ? [costText(branch)] : [])].join('; ')
  }
  return acknowledgedAfter(branch, transaction)
}

/** The participant's own words, if it said anything at its last scan. */
function costText({ cost }: BranchView): string {
  return cost === undefined || cost === '' ? 'holds its locks' : oneLine(cost)
}

/** `9 attempts, next in 8s: connection refused`. */
function deliveryText(branch: BranchView, { participants, nowMs }: TransactionPage): string {
  const participant = participants.get(branch.participant)
  const { message, times } = errorOf(branch, participant)
  // To call it in vain is to try as well.
  const attempts = counted(Math.max(branch.attempts, times), 'attempt')
  const nextTimeMs = participant?.nextTryTime?.getTime()
  const next = nextTimeMs === undefined ? '' : `, next in ${formatAge(nextTimeMs - nowMs)}`
  return `${attempts}${next}${colon(oneLine(message))}`
}

/** Since the decision: what phase two took. */
function acknowledgedAfter({ participant }: BranchView, { timeline, decideTimeMs }: TransactionView): string {
  const acknowledged = timeline.findLast(
    (event) => event.participant === participant && event.kind === 'acknowledged',
  )
  if (acknowledged === undefined || decideTimeMs === undefined) return ''
  return `+${formatDuration(acknowledged.timeMs - decideTimeMs)}`
}
