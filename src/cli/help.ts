/** Each command says what it does, shows itself at work, and explains its exit codes. */
import type { Command } from 'commander'
import { describeExitCodes, type ExitCodeTexts } from './exit-codes.ts'

export interface HelpTexts {
  /** One line, for the list of commands. */
  readonly summary: string
  /** More of it, for the command's own page. */
  readonly description?: string
  readonly examples: readonly string[]
  /** In words, or, where they aren't those of the other commands, as lines. */
  readonly exitCodes: ExitCodeTexts | string
}

export function describe(
  command: Command,
  { summary, description, examples, exitCodes }: HelpTexts,
): Command {
  const title = examples.length === 1 ? 'Example:' : 'Examples:'
  const shown = examples.map((example) => `  ${example}`).join('\n')
  const codes = typeof exitCodes === 'string' ? exitCodes : describeExitCodes(exitCodes)
  return command
    .summary(summary)
    .description(description === undefined ? sentence(summary) : `${sentence(summary)}\n\n${description}`)
    .addHelpText('after', `\n${title}\n${shown}\n\n${codes}`)
}

/** What every command that asks the daemon can end with. */
export const DAEMON_EXIT_CODES = { done: '', usage: '', unreachable: '', internal: '' } as const

/** What every command that asks for something to be done can end with. */
export const OPERATOR_EXIT_CODES = {
  ...DAEMON_EXIT_CODES,
  unknown: 'the answer was lost: it may have been done; `pledged audit` tells',
  log: "the log can't be written: nothing was done",
} as const

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`
}
