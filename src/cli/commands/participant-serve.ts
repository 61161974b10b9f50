import { resolve } from 'node:path'
import { Argument, type Command, InvalidArgumentError } from 'commander'
import { PledgedError } from '../../base/errors.ts'
import { isParticipantName } from '../../base/ids.ts'
import { describe } from '../help.ts'
import type { Register } from '../session.ts'

interface Options {
  readonly name: string
  readonly file: string
  readonly listen?: string
}

/** Those that are built in. */
const KINDS = ['sqlite', 'offsets']

export function addParticipantServe(participants: Command, register: Register): void {
  const command = describe(participants.command('serve'), {
    summary: 'a built-in participant as a process of its own: it attaches to the daemon at --address',
    description:
      'It attaches again whenever the connection was lost, until SIGTERM or SIGINT. How that goes is told on standard error.',
    examples: ['pledged participant serve sqlite --name sink --file sink.db'],
    exitCodes: {
      done: 'stopped by a signal',
      usage: '',
      internal: '',
      configuration: "the file can't keep a pledge as it is, or isn't one of this kind",
    },
  })
    .addArgument(new Argument('<kind>', 'what it is').choices(KINDS))
    .requiredOption(
      '--name <name>',
      "the name that transactions call it by: 1 to 32 of a-z, 0-9 and '-'",
      parseName,
    )
    .requiredOption('--file <file>', 'its database; made where there is none')
    .option('--listen <address>', 'not in this version')
  register(command, async (session, { name, file, listen }: Options, [kind = '']) => {
    if (listen !== undefined) {
      throw new PledgedError(
        'USAGE',
        '--listen is not in this version: leave it out, and the participant attaches to the daemon at --address',
      )
    }
    const { runParticipant } = await import('../../daemon/index.ts')
    const { address } = session.settings
    return await runParticipant({ kind, name, file: resolve(file), address }, session.environment)
  })
}

function parseName(text: string): string {
  if (isParticipantName(text)) return text
  throw new InvalidArgumentError("A name has 1 to 32 of a-z, 0-9 and '-'.")
}
