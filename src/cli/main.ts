/**
 * The command line. `main` runs one command and answers with its exit code; it neither ends the process nor throws.
 *
 * - Results go to standard output, and only they. Notes for a person and errors go to standard error.
 * - On a terminal results are tables and pages; elsewhere fields are separated by tabs under a line of headings, and
 *   with --json they are JSON.
 * - Commands speak to the daemon over gRPC, but `serve`, `run`, `demo` and `participant serve`, which run it or a part of
 *   it, and `log ...`, which works on the files of a daemon that is stopped. What they need is loaded when they run.
 */
import { systemClock } from '../base/ports.ts'
import { followRun } from './commands/run.ts'
import type { Environment } from './environment.ts'
import { EXIT, RUN_EXIT } from './exit-codes.ts'
import { reportFailure } from './failure-report.ts'
import { createProgram } from './program.ts'
import { type Streams, terminalOf } from './terminal.ts'

export interface Host extends Streams {
  readonly environment: Environment
}

/** `args`: without the names of the program and of its interpreter. */
export async function main(args: readonly string[], host: Host): Promise<number> {
  const { stdout, environment } = host
  const terminal = terminalOf(host, environment)
  let exitCode: number = EXIT.done
  let isRun = (): boolean => false
  try {
    const surroundings = { terminal, environment, clock: systemClock }
    const program = createProgram(surroundings, (code) => {
      exitCode = code
    })
    isRun = followRun(program, args).isCalled
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    exitCode = reportFailure(error, { terminal, environment, args })
    if (isRun() && exitCode !== EXIT.done) exitCode = RUN_EXIT.failed
  }
  await flushed(stdout)
  const failure = terminal.failure()
  if (failure === undefined) return exitCode
  terminal.note(
    `pledged: standard output could not be written: ${failure.message}; what it shows isn't complete`,
  )
  return EXIT.log
}

/** The whole process. A bug that no command caught ends it with a sentence, too. */
export async function runProcess(): Promise<void> {
  const { env, stdout, stderr } = process
  const args = process.argv.slice(2)
  const report = (error: unknown): void => {
    // The daemon has its own way to end, and puts it on record.
    if (process.listenerCount('uncaughtException') > 1) return
    const terminal = { note: (line: string) => void stderr.write(`${line}\n`) }
    process.exit(reportFailure(error, { terminal, environment: env, args }))
  }
  process.on('uncaughtException', report)
  process.exit(await main(args, { stdin: () => process.stdin, stdout, stderr, environment: env }))
}

/** What was written has left, or will never; and the stream has told of its errors, which it does a turn later. */
async function flushed(stream: Streams['stdout']): Promise<void> {
  if (!stream.destroyed && stream.writable) {
    await new Promise<void>((resolve) => {
      stream.write('', () => resolve())
    })
  }
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
}
