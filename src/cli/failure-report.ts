/** How a failure is told: a sentence that says what to do next, never a stack trace. */
import { CommanderError } from 'commander'
import { PledgedError } from '../base/errors.ts'
import type { Environment } from './environment.ts'
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

export interface ReportOptions {
  readonly terminal: Pick<Terminal, 'note'>
  readonly environment: Environment
  /** As it was typed: a mistake may keep the flag from being read. */
  readonly args: readonly string[]
}

export function reportFailure(error: unknown, { terminal, environment, args }: ReportOptions): ExitCode {
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done
  // Commander has shown the help of a command that was called without a subcommand: it says more than a sentence.
  if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage
  const { code, message } = explain(error)
  const exitCode = exitCodeOf(code)
  // No mistake of anybody's: the daemon was asked, and has said no.
  const prefix = exitCode === EXIT.badNews ? 'refused' : 'pledged'
  if (args.includes('--json')) terminal.note(JSON.stringify({ error: { code, message } }))
  else terminal.note(`${prefix}: ${message}`)
  if ((environment['PLEDGED_DEBUG'] ?? '') !== '') terminal.note(stacks(error))
  return exitCode
}

function explain(error: unknown): Pick<PledgedError, 'code' | 'message'> {
  if (error instanceof CommanderError) {
    const what = error.message
      .replace(/^error: /, '')
      .replaceAll('\n', ' ')
      .replace(/\.$/, '')
    return { code: 'USAGE', message: `${what}; --help shows what there is` }
  }
  const pledged = PledgedError.from(error)
  if (pledged.code !== 'INTERNAL' || error instanceof PledgedError) return pledged
  return {
    code: 'INTERNAL',
    message: `a bug in Pledged: ${pledged.message}; please report it, with what PLEDGED_DEBUG=1 adds`,
  }
}

function stacks(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = error.stack ?? error.message
  return error.cause === undefined ? own : `${own}\ncaused by ${stacks(error.cause)}`
}
