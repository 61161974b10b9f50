import type { Command } from 'commander'
import { ParticipantStatus } from '../../wire/generated/pledged/v1/participant.ts'
import { toJson } from '../../wire/index.ts'
import { checkedName, parseReason, requireReason } from '../arguments.ts'
import { EXIT } from '../exit-codes.ts'
import { describe, OPERATOR_EXIT_CODES } from '../help.ts'
import { participantStateWord } from '../message-values.ts'
import type { Register } from '../session.ts'
import { counted } from '../text.ts'

const NAME_ARGUMENT = ['<name>', 'as `pledged participant list` has it'] as const
const EXIT_CODES = { ...OPERATOR_EXIT_CODES, noSuchThing: 'no participant of that name is known' }

export function addParticipantPause(participants: Command, register: Register): void {
  const command = describe(participants.command('pause'), {
    summary: 'send a participant nothing: no new work, no decisions, until it is resumed',
    description:
      'For work on its database, or to keep trouble away from it. Transactions that name it abort meanwhile, with your reason. What it has pledged stays in doubt, with its locks, and is delivered when it is resumed. It outlasts restarts of the daemon, and is audited.',
    examples: ['pledged participant pause ledger --reason "moving its volume, OPS-7"'],
    exitCodes: EXIT_CODES,
  }).argument(...NAME_ARGUMENT)
  register(requireReason(command), async (session, { reason }: { reason: string }, [name = '']) => {
    const participant = checkedName(name)
    const status = await session.ask((client) => client.pauseParticipant({ participant, reason }))
    if (session.settings.json) {
      session.printJson(toJson(ParticipantStatus, status))
      return EXIT.done
    }
    const held =
      status.inDoubt === 0
        ? ''
        : `; ${counted(status.inDoubt, 'branch', 'branches')} in doubt ${status.inDoubt === 1 ? 'waits' : 'wait'}`
    session.print([`${participant} is paused${held}`])
    session.note(`\`pledged participant resume ${participant}\` undoes it`)
    return EXIT.done
  })
}

export function addParticipantResume(participants: Command, register: Register): void {
  const command = describe(participants.command('resume'), {
    summary: 'undo a pause: what it is owed is delivered at once',
    examples: ['pledged participant resume ledger'],
    exitCodes: EXIT_CODES,
  })
    .argument(...NAME_ARGUMENT)
    .option('--reason <text>', 'why, for those who read the audit later', parseReason)
  register(command, async (session, { reason = '' }: { reason?: string }, [name = '']) => {
    const participant = checkedName(name)
    const status = await session.ask((client) => client.resumeParticipant({ participant, reason }))
    if (session.settings.json) session.printJson(toJson(ParticipantStatus, status))
    else session.print([`${participant} is resumed: ${participantStateWord(status.state)}`])
    return EXIT.done
  })
}
