/** One participant as a page for a person: what it is, how it is, and what to do. */
import {
  ParticipantLink,
  ParticipantState,
  type ParticipantStatus,
} from '../wire/generated/pledged/v1/participant.ts'
import { formatAge, formatDuration, formatTime } from './durations.ts'
import { milliseconds, participantLinkWord, participantStateWord } from './message-values.ts'
import { type Advice, advise, because, paragraphs, why } from './paragraph.ts'
import type { Style } from './style.ts'
import { aligned, type Cell, type TableLayout } from './table.ts'
import { counted, oneLine } from './text.ts'

export interface ParticipantPage {
  readonly participant: ParticipantStatus
  readonly nowMs: number
  readonly layout: TableLayout
}

type Fact = readonly [name: string, text: string, style?: Style | undefined]

export function renderParticipant(page: ParticipantPage): string[] {
  const { participant, layout } = page
  const facts = factsOf(page)
  const lines = layout.isTerminal
    ? aligned(
        facts.map(([name, text, style]): Cell[] => [
          { text: name, style: 'bold' },
          { text: oneLine(text), style },
        ]),
        // A reason that is cut off at the edge would be one that can't be read.
        { ...layout, columns: undefined },
      )
    : facts.map(([name, text]) => `${name}\t${oneLine(text)}`)
  return [...lines, ...paragraphs(adviceFor(participant), layout)]
}

function factsOf({ participant, nowMs }: ParticipantPage): Fact[] {
  const { name, kind, resourceId, keepsWitnesses, link, up, inDoubt, lastError, nextTryTime } = participant
  const facts: Fact[] = [
    ['name', name],
    ['kind', kind === '' ? 'not seen yet' : kind],
    ['resource', resourceId === '' ? 'not seen yet' : resourceId],
    [
      'witnesses',
      keepsWitnesses ? 'kept: it can tell how a branch ended' : 'none: how a branch ended it can not tell',
    ],
    ['link', `${participantLinkWord(link)}, ${up ? 'up' : 'down'}`],
    ['state', stateText(participant, nowMs), stateStyle(participant)],
    ['in doubt', inDoubtText(participant), inDoubt > 0 ? 'yellow' : undefined],
  ]
  if (participant.foreignBranches > 0) facts.push(['foreign', foreignText(participant), 'yellow'])
  if (lastError !== '') facts.push(['last error', lastErrorText(participant)])
  const isTried = participant.state !== ParticipantState.SETTLED && participant.pause === undefined
  if (nextTryTime !== undefined && isTried) {
    facts.push(['next try', `in ${formatAge(nextTryTime.getTime() - nowMs)}`])
  }
  return facts
}

function stateText({ state, pause }: ParticipantStatus, nowMs: number): string {
  const word = participantStateWord(state)
  if (pause === undefined) return word
  const since = pause.time === undefined ? '' : ` since ${formatTime(pause.time.getTime(), nowMs)}`
  return `${word}${since}, by ${pause.who}: ${pause.reason}`
}

function stateStyle({ state }: ParticipantStatus): Style {
  if (state === ParticipantState.QUARANTINED) return 'red'
  return state === ParticipantState.SETTLED ? 'green' : 'yellow'
}

function inDoubtText({ inDoubt, oldestInDoubt }: ParticipantStatus): string {
  const oldestMs = milliseconds(oldestInDoubt)
  const count = inDoubt === 0 ? 'nothing' : counted(inDoubt, 'branch', 'branches')
  return oldestMs === undefined ? count : `${count}, the oldest for ${formatDuration(oldestMs)}`
}

function foreignText({ foreignBranches, foreignBranchesOfLivingLogs: living }: ParticipantStatus): string {
  const count = counted(foreignBranches, 'branch', 'branches')
  return living === 0 ? `${count} of other logs` : `${count} of other logs, ${living} of a living one`
}

function lastErrorText({ lastError, failures }: ParticipantStatus): string {
  return failures > 1 ? `${oneLine(lastError)} (${failures} times)` : oneLine(lastError)
}

function adviceFor(participant: ParticipantStatus): Advice[] {
  const { name, state, pause, up, link, lastError, inDoubt } = participant
  if (pause !== undefined) {
    return [
      why('an operator paused it: it is sent nothing, and transactions that name it abort.'),
      advise(`pledged participant resume ${name}`),
    ]
  }
  if (state === ParticipantState.QUARANTINED) {
    return [
      why(
        `it is not what its name is bound to${because(lastError)}. It is told nothing until that is mended.`,
      ),
      advise('give the name back to the resource that it was bound to: delivery is automatic then.'),
    ]
  }
  const foreign = foreignAdvice(participant)
  if (up) return foreign
  const start = link === ParticipantLink.DIALLED ? 'start it, or see that it can be reached' : 'start it'
  return [
    why(
      inDoubt === 0
        ? 'there is no connection to it: transactions that name it abort.'
        : 'there is no connection to it; what it has pledged waits, with its locks.',
    ),
    advise(`${start}: delivery is automatic. Nothing is lost by waiting.`),
    ...foreign,
  ]
}

function foreignAdvice(participant: ParticipantStatus): Advice[] {
  const dead = participant.foreignBranches - participant.foreignBranchesOfLivingLogs
  if (dead <= 0) return []
  return [
    why(`it holds ${counted(dead, 'branch', 'branches')} of a log whose daemon was not seen lately.`),
    advise(`pledged diff --participant ${participant.name}`),
  ]
}
