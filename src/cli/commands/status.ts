import type { Command } from 'commander'
import { GetStatusResponse } from '../../wire/generated/pledged/v1/admin_service.ts'
import type { ParticipantStatus } from '../../wire/generated/pledged/v1/participant.ts'
import { toJson } from '../../wire/index.ts'
import { formatDuration } from '../durations.ts'
import { EXIT } from '../exit-codes.ts'
import { DAEMON_EXIT_CODES, describe } from '../help.ts'
import { milliseconds } from '../message-values.ts'
import type { Register, Session } from '../session.ts'
import type { Style } from '../style.ts'
import { aligned, type Cell } from '../table.ts'
import { counted, grouped, oneLine } from '../text.ts'

export function addStatus(program: Command, register: Register): void {
  const command = describe(program.command('status'), {
    summary: 'how the daemon is: its log, its epoch, what it is busy with, what is in doubt',
    description: 'Elsewhere than on a terminal: one fact a line, its name and its value separated by a tab.',
    examples: ['pledged status', 'pledged status --json | jq .in_doubt'],
    exitCodes: DAEMON_EXIT_CODES,
  })
  register(command, async (session) => {
    const status = await session.ask((client) => client.status())
    if (session.settings.json) session.printJson(toJson(GetStatusResponse, status))
    else session.print(renderStatus(status, session))
    return EXIT.done
  })
}

type Fact = readonly [name: string, text: string, style?: Style | undefined]

function renderStatus(status: GetStatusResponse, session: Pick<Session, 'layout' | 'settings'>): string[] {
  const { layout } = session
  const facts = factsOf(status, session.settings.address)
  if (!layout.isTerminal) return facts.map(([name, text]) => `${name}\t${oneLine(text)}`)
  const rows = facts.map(([name, text, style]): Cell[] => [
    { text: name, style: 'bold' },
    { text: oneLine(text), style },
  ])
  // A reason that is cut off at the edge would be one that can't be read: lines are left to the terminal.
  return aligned(rows, { ...layout, columns: undefined })
}

function factsOf(status: GetStatusResponse, address: string): Fact[] {
  const { logFailure } = status
  const facts: Fact[] = [
    ['daemon', `${status.version} at ${address}, up ${formatDuration(milliseconds(status.uptime) ?? 0)}`],
    ['log', `${status.logId}, epoch ${status.epoch}`],
    ['in flight', counted(status.inFlight, 'transaction')],
    ['in doubt', inDoubtText(status), status.inDoubt > 0 ? 'yellow' : undefined],
    ['heuristics', heuristicsText(status), status.heuristics > 0 ? 'red' : undefined],
    ['since start', sinceStartText(status)],
    ['participants', participantsText(status.participants)],
  ]
  if (status.draining) facts.push(['draining', 'new transactions are refused', 'yellow'])
  if (logFailure !== undefined) facts.push(['log failed', logFailure.message, 'red'])
  return facts
}

function inDoubtText({ inDoubt, oldestInDoubt }: GetStatusResponse): string {
  const oldestMs = milliseconds(oldestInDoubt)
  const count = counted(inDoubt, 'transaction')
  return oldestMs === undefined ? count : `${count}, the oldest for ${formatDuration(oldestMs)}`
}

function heuristicsText({ heuristics }: GetStatusResponse): string {
  return heuristics === 0 ? 'none' : `${counted(heuristics, 'broken pledge')}: a person has to look`
}

function sinceStartText(status: GetStatusResponse): string {
  const { committed, aborted, forcedWrites } = status
  const uptimeSeconds = (milliseconds(status.uptime) ?? 0) / 1_000
  const rate = uptimeSeconds < 1 ? '' : ` (${rateText(Number(committed) / uptimeSeconds)} a second)`
  return `${grouped(committed)} committed${rate}, ${grouped(aborted)} aborted, ${counted(forcedWrites, 'forced write')}`
}

function rateText(perSecond: number): string {
  return perSecond >= 10 ? grouped(Math.round(perSecond)) : perSecond.toFixed(1)
}

function participantsText(participants: readonly ParticipantStatus[]): string {
  if (participants.length === 0) return 'none registered'
  const away = participants.filter(({ up }) => !up).map(({ name }) => name)
  const up = `${participants.length - away.length} of ${participants.length} up`
  return away.length === 0 ? up : `${up}; away: ${away.join(', ')}`
}
