/** Why a transaction waits, and what a person can do: nothing, most of the time, which is worth saying. */
import type { BranchView, TransactionView } from '../protocol/requests.ts'
import {
  ParticipantLink,
  ParticipantState,
  type ParticipantStatus,
} from '../wire/generated/pledged/v1/participant.ts'
import { listed, oneLine } from './text.ts'
import { isAwaited } from './words.ts'

export interface Advice {
  readonly label: 'why' | 'do'
  readonly text: string
}

export interface AdviceContext {
  readonly transaction: TransactionView
  readonly participants: ReadonlyMap<string, ParticipantStatus>
}

export function adviceFor({ transaction, participants }: AdviceContext): Advice[] {
  const broken = transaction.branches.filter(isBroken)
  if (broken.length > 0 && transaction.heuristic) return brokenPledge(broken, transaction)
  if (transaction.endTimeMs !== undefined) return []
  const alone = handedOver(transaction)
  if (alone !== undefined) return committingAlone(alone, transaction, participants.get(alone.participant))
  if (transaction.outcome === 'unknown') return unknownOutcome(transaction)
  const awaited = transaction.branches.filter(isAwaited)
  if (transaction.decideTimeMs === undefined) return undecided(transaction, awaited)
  return awaited.flatMap((branch) => undelivered(branch, transaction, participants.get(branch.participant)))
}

function isBroken({ state }: BranchView): boolean {
  return state === 'heuristic_committed' || state === 'heuristic_aborted'
}

function why(text: string): Advice {
  return { label: 'why', text }
}

function advise(text: string): Advice {
  return { label: 'do', text }
}

/** I1: said for ever, until a person has looked. */
function brokenPledge(broken: readonly BranchView[], { outcome }: TransactionView): Advice[] {
  const names = listed(broken.map(({ participant }) => `"${participant}"`))
  const decision = outcome === 'aborted' ? 'abort' : 'commit'
  return [
    why(
      `${names} ended against the decision to ${decision}: somebody, or its resource manager, broke the pledge.`,
    ),
    advise(`compare what ${names} holds with the decision, and mend it by hand. Pledged can't undo it.`),
  ]
}

/** R17: the only branch, whose participant commits it by itself, and which has not said yet whether it did. */
export function handedOver({
  decideTimeMs,
  branches,
  outcome,
  timeline,
}: TransactionView): BranchView | undefined {
  const [only, ...others] = branches
  if (decideTimeMs !== undefined || only?.state !== 'preparing' || others.length > 0) return undefined
  const posted = timeline.some(({ kind }) => kind === 'append_posted')
  if (timeline.some(({ kind }) => kind === 'prepare_sent')) return posted ? only : undefined
  // After a restart only its record is known.
  return outcome === 'unknown' && !posted ? only : undefined
}

function committingAlone(
  { participant: name, lastError }: BranchView,
  { outcome }: TransactionView,
  participant: ParticipantStatus | undefined,
): Advice[] {
  const quoted = `"${oneLine(name)}"`
  if (outcome === 'pending') {
    return [
      why(`${quoted} commits it by itself, as its only branch, and has not answered yet.`),
      advise('nothing: ask again in a moment.'),
    ]
  }
  const error = lastError?.message ?? participant?.lastError ?? ''
  return [
    why(
      `${quoted} was to commit it by itself, as its only branch, and its answer was lost${because(error)}.`,
    ),
    advise(
      participant?.up === true
        ? `nothing: ${quoted} is asked again, and its witness tells.`
        : `see that ${quoted} can be reached: it is asked then, and its witness tells.`,
    ),
  ]
}

function unknownOutcome({ branches }: TransactionView): Advice[] {
  if (branches.length === 0) return []
  return [
    why(
      'the log could not be written when it was to be decided: whether the decision reached the disk shows when it is read again.',
    ),
    advise('start the daemon again (`pledged status` says what is wrong with the log), then ask again.'),
  ]
}

function undecided({ state, timeline }: TransactionView, awaited: readonly BranchView[]): Advice[] {
  if (state === 'active') {
    return [
      why('its client began it, and has not asked to commit.'),
      advise('nothing: it aborts by itself when its client stays silent.'),
    ]
  }
  if (timeline.some(({ kind }) => kind === 'append_posted')) {
    return [why('the decision is on its way to the disk.'), advise('nothing: ask again in a moment.')]
  }
  const names = listed(awaited.map(({ participant }) => `"${participant}"`))
  return [
    why(`the vote of ${names === '' ? 'a branch' : names} is missing.`),
    advise('nothing: it aborts by itself when the time to prepare is over.'),
  ]
}

function undelivered(
  branch: BranchView,
  transaction: TransactionView,
  participant: ParticipantStatus | undefined,
): Advice[] {
  const name = `"${oneLine(branch.participant)}"`
  if (participant?.state === ParticipantState.QUARANTINED) {
    return [
      why(
        `${name} is quarantined${because(participant.lastError)}. It is told nothing until that is mended.`,
      ),
      advise('give the name back to the resource that it was bound to: delivery is automatic then.'),
    ]
  }
  if (participant?.up === true) {
    const error = branch.lastError?.message ?? participant.lastError
    return [
      why(`${name} is here, and has not ended its branch yet${because(error)}.`),
      advise(
        error === ''
          ? 'nothing: delivery is automatic.'
          : 'remove that cause: delivery is automatic, again and again.',
      ),
    ]
  }
  return [why(awayReason(name, branch, transaction)), advise(awayRemedy(participant))]
}

function awayReason(name: string, branch: BranchView, { outcome }: TransactionView): string {
  if (outcome === 'committed') return `${name} pledged, then went away. It can't abort any more.`
  return branch.vote?.vote === 'yes'
    ? `${name} pledged, then went away. It can't commit any more, and keeps its locks until it is told.`
    : `${name} was asked to prepare, then went away: it may hold the branch prepared, and must be told to abort.`
}

function awayRemedy(participant: ParticipantStatus | undefined): string {
  const start = participant?.link === ParticipantLink.DIALLED ? 'see that it can be reached' : 'start it'
  return `${start}: delivery is automatic. Nothing is lost by waiting.`
}

function because(reason: string): string {
  return reason === '' ? '' : `: ${oneLine(reason)}`
}
