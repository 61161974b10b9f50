/** Why a transaction waits, and what a person can do: nothing, most of the time, which is worth saying. */
import type { BranchView, TransactionView } from '../protocol/requests.ts'
import {
  ParticipantLink,
  ParticipantState,
  type ParticipantStatus,
} from '../wire/generated/pledged/v1/participant.ts'
import { brokenPledgeAdvice } from './broken-pledge-advice.ts'
import { type Advice, advise, because, why } from './paragraph.ts'
import { listed, oneLine } from './text.ts'
import { isAwaited } from './words.ts'
import { shortXid } from './xid-argument.ts'

export interface AdviceContext {
  readonly transaction: TransactionView
  readonly participants: ReadonlyMap<string, ParticipantStatus>
  readonly nowMs: number
}

export function adviceFor(context: AdviceContext): Advice[] {
  const { transaction } = context
  return [...brokenPledgeAdvice(transaction), ...givenUp(transaction), ...waitingAdvice(context)]
}

/** I7: nobody was asked, so nobody knows. */
function givenUp({ branches }: TransactionView): Advice[] {
  const names = branches
    .filter(({ state }) => state === 'forgotten')
    .map(({ participant }) => `"${oneLine(participant)}"`)
  if (names.length === 0) return []
  const branch = names.length === 1 ? 'branch' : 'branches'
  return [why(`an operator gave up the ${branch} of ${listed(names)}: how it ended there is not known.`)]
}

function waitingAdvice({ transaction, participants, nowMs }: AdviceContext): Advice[] {
  if (transaction.endTimeMs !== undefined) return []
  const alone = handedOver(transaction)
  if (alone !== undefined) return committingAlone(alone, transaction, participants.get(alone.participant))
  if (transaction.outcome === 'unknown') return unknownOutcome(transaction)
  const awaited = transaction.branches.filter(isAwaited)
  if (transaction.decideTimeMs === undefined) return undecided(transaction, awaited)
  return awaited.flatMap((branch) =>
    undelivered({ branch, transaction, participant: participants.get(branch.participant), nowMs }),
  )
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

function undecided({ xid, state, timeline }: TransactionView, awaited: readonly BranchView[]): Advice[] {
  const sooner = advise(`sooner: pledged tx resolve ${shortXid(xid)} --abort --reason TEXT`)
  if (state === 'active') {
    return [
      why('its client began it, and has not asked to commit.'),
      advise('nothing: it aborts by itself when its client goes away, or stays silent.'),
      sooner,
    ]
  }
  if (timeline.some(({ kind }) => kind === 'append_posted')) {
    return [why('the decision is on its way to the disk.'), advise('nothing: ask again in a moment.')]
  }
  const names = listed(awaited.map(({ participant }) => `"${participant}"`))
  return [
    why(`the vote of ${names === '' ? 'a branch' : names} is missing.`),
    advise('nothing: it aborts by itself when the time to prepare is over.'),
    sooner,
  ]
}

interface Undelivered {
  readonly branch: BranchView
  readonly transaction: TransactionView
  readonly participant: ParticipantStatus | undefined
  readonly nowMs: number
}

function undelivered(waiting: Undelivered): Advice[] {
  const { branch, transaction, participant } = waiting
  const name = `"${oneLine(branch.participant)}"`
  if (participant?.pause !== undefined) return paused(name, participant)
  if (participant?.state === ParticipantState.QUARANTINED) {
    return [
      why(
        `${name} is quarantined${because(participant.lastError)}. It is told nothing until that is mended.`,
      ),
      advise('give the name back to the resource that it was bound to: delivery is automatic then.'),
      ...goneForEver(waiting),
    ]
  }
  if (participant?.up === true) {
    const error = branch.lastError?.message ?? participant.lastError
    return [
      why(`${name} is here, and has not ended its branch yet${because(error)}.`),
      ...(error === ''
        ? [advise('nothing: delivery is automatic.')]
        : [
            advise('remove that cause: delivery is automatic, again and again.'),
            advise(`sooner: pledged tx retry ${shortXid(transaction.xid)}`),
          ]),
    ]
  }
  return [
    why(awayReason(name, branch, transaction)),
    advise(awayRemedy(participant)),
    ...goneForEver(waiting),
  ]
}

function paused(name: string, { name: plain, pause }: ParticipantStatus): Advice[] {
  const who = pause === undefined || pause.who === '' ? 'an operator' : oneLine(pause.who)
  return [
    why(`${name} is paused by ${who}${because(pause?.reason ?? '')}. It is told nothing meanwhile.`),
    advise(`pledged participant resume ${plain}`),
  ]
}

/** Not at once: whoever is told of it in the first minute would give up what is only being restarted. */
const LONG_ABSENCE_MS = 60_000

function goneForEver({ branch, transaction, nowMs }: Undelivered): Advice[] {
  if (nowMs - (transaction.decideTimeMs ?? nowMs) < LONG_ABSENCE_MS) return []
  const command = `pledged tx forget-branch ${shortXid(transaction.xid)} --participant ${oneLine(branch.participant)}`
  return [advise(`gone for ever? ${command} --reason TEXT`)]
}

function awayReason(name: string, branch: BranchView, { outcome }: TransactionView): string {
  if (outcome === 'committed') return `${name} pledged, then went away. It can't abort any more.`
  return branch.vote?.vote === 'yes'
    ? `${name} pledged, then went away. It can't commit any more, and keeps its locks until it is told.`
    : `${name} was asked to prepare, then went away: it may hold the branch prepared, and must be told to abort.`
}

function awayRemedy(participant: ParticipantStatus | undefined): string {
  const start =
    participant?.link === ParticipantLink.DIALLED ? 'start it, or see that it can be reached' : 'start it'
  return `${start}: delivery is automatic. Nothing is lost by waiting.`
}
