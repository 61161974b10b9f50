import type { Command } from 'commander'
import { ListParticipantsResponse } from '../../wire/generated/pledged/v1/admin_service.ts'
import { ParticipantState, type ParticipantStatus } from '../../wire/generated/pledged/v1/participant.ts'
import { toJson } from '../../wire/index.ts'
import { formatAge } from '../durations.ts'
import { EXIT } from '../exit-codes.ts'
import { DAEMON_EXIT_CODES, describe } from '../help.ts'
import { milliseconds, participantLinkWord, participantStateWord } from '../message-values.ts'
import type { Register } from '../session.ts'
import { type Cell, renderTable, type Table } from '../table.ts'

export function addParticipantList(participants: Command, register: Register): void {
  const command = describe(participants.command('list'), {
    summary: 'every registered participant, its link, its state, and what it has in doubt',
    description:
      'FOREIGN, where there are any: prepared branches of other logs, which are left alone. A log whose daemon was seen there lately is living, and ends its own; nobody ends those of a dead one. Elsewhere than on a terminal fields are separated by tabs, and the first line has their names.',
    examples: [
      'pledged participant list',
      "pledged participant list --json | jq '.participants[] | select(.up | not)'",
    ],
    exitCodes: DAEMON_EXIT_CODES,
  })
  register(command, async (session) => {
    const found = await session.ask((client) => client.participants())
    if (session.settings.json) {
      const { participants: list } = toJson(ListParticipantsResponse, {
        participants: found,
        nextPageToken: '',
      }) as { participants: unknown }
      session.printJson({ participants: list })
      return EXIT.done
    }
    session.terminal.out(renderTable(participantTable(found, session.nowMs()), session.layout))
    if (found.length === 0) {
      session.note(
        'no participant yet: configure one, or let one attach (`pledged participant serve --help`)',
      )
    }
    return EXIT.done
  })
}

function participantTable(participants: readonly ParticipantStatus[], nowMs: number): Table {
  // A column for what is hardly ever there would push the last error off the screen.
  const foreign = participants.some(({ foreignBranches }) => foreignBranches > 0) ? ['FOREIGN'] : []
  return {
    heading: ['NAME', 'KIND', 'LINK', 'STATE', 'IN DOUBT', 'OLDEST', ...foreign, 'NEXT TRY', 'LAST ERROR'],
    rows: participants.map((participant) => row(participant, { showsForeign: foreign.length > 0, nowMs })),
  }
}

function row(
  participant: ParticipantStatus,
  { showsForeign, nowMs }: { showsForeign: boolean; nowMs: number },
): (string | Cell)[] {
  const { inDoubt } = participant
  const oldestMs = milliseconds(participant.oldestInDoubt)
  return [
    participant.name,
    participant.kind === '' ? '?' : participant.kind,
    `${participantLinkWord(participant.link)}, ${participant.up ? 'up' : 'down'}`,
    stateCell(participant),
    { text: String(inDoubt), style: inDoubt > 0 ? 'yellow' : undefined },
    oldestMs === undefined ? '-' : formatAge(oldestMs),
    ...(showsForeign ? [foreignCell(participant)] : []),
    nextTryText(participant, nowMs),
    participant.lastError === '' ? '-' : participant.lastError,
  ]
}

/** `3, 1 of a living log`: the others wait for a person. */
function foreignCell({ foreignBranches, foreignBranchesOfLivingLogs: living }: ParticipantStatus): Cell {
  const text = living === 0 ? String(foreignBranches) : `${foreignBranches}, ${living} of a living log`
  return { text, style: foreignBranches > living ? 'yellow' : undefined }
}

/** What is next for a settled one is a look, not a try; and a paused one is left alone. */
function nextTryText({ state, nextTryTime, pause }: ParticipantStatus, nowMs: number): string {
  if (nextTryTime === undefined || state === ParticipantState.SETTLED || pause !== undefined) return '-'
  return `in ${formatAge(nextTryTime.getTime() - nowMs)}`
}

function stateCell({ state }: ParticipantStatus): Cell {
  const text = participantStateWord(state)
  if (state === ParticipantState.QUARANTINED) return { text, style: 'red' }
  return { text, style: state === ParticipantState.SETTLED ? 'green' : 'yellow' }
}
