import { readFileSync } from 'node:fs'
import { Argument, type Command, InvalidArgumentError } from 'commander'
import { messageOf, PledgedError } from '../../base/errors.ts'
import type { WorkTemplate, WorkTemplates } from '../../sdk/conformance/index.ts'
import { resolveAddress } from '../../sdk/dialling.ts'
import { parseName } from '../arguments.ts'
import { caseLine, closingLines, openingLine, reportJson } from '../conformance-report.ts'
import { EXIT } from '../exit-codes.ts'
import { describe } from '../help.ts'
import { RestartCommand } from '../restart-command.ts'
import type { Register, Session } from '../session.ts'

interface Options {
  readonly work?: WorkTemplate
  readonly conflictingWork?: readonly WorkTemplate[]
  readonly refusedWork?: readonly WorkTemplate[]
  readonly hostileWork?: readonly WorkTemplate[]
  readonly restartCommand?: string
  readonly branch: string
  readonly case?: readonly string[]
}

const DESCRIPTION = [
  'It calls the ParticipantService at HOST:PORT as a coordinator would, and as one in trouble: it repeats, reorders, gives up, races and sends garbage; and with --restart-command it kills. For each rule it says what it saw, why the rule is there, and what to do.',
  'A participant that asks for TLS or a token is shown what --tls-ca, --tls-cert, --tls-key and --token-file name; what the environment names is for the daemon, and stays here.',
  "A TEMPLATE is work in the participant's own language, or @FILE for a file's bytes. {n} in it becomes a number that is fresh for each branch. Without --work the work is no bytes at all.",
  'Run it against a resource made for it: what it commits stays there. What it prepared is aborted at the end.',
].join('\n\n')

export function addConformance(program: Command, register: Register): void {
  const command = describe(program.command('conformance'), {
    summary: "whether anyone's participant, in any language, keeps the rules of the protocol",
    description: DESCRIPTION,
    examples: [
      'pledged conformance 127.0.0.1:9001 --restart-command ./restart-participant',
      `pledged conformance 127.0.0.1:9001 --work '{"put": {"key-{n}": 1}}' --refused-work '{"put": {}}'`,
      'pledged conformance unix:/run/mailer.sock --work @work.json --json',
    ],
    exitCodes: {
      done: 'no rule is broken (there may be warnings)',
      badNews: 'a rule is broken',
      usage: '',
      unreachable: 'nothing answers there',
      notPermitted: 'the participant asks for a token, and for another one',
      internal: '',
    },
  })
    .addArgument(new Argument('<address>', 'where it listens: HOST:PORT or unix:PATH'))
    .option('--work <template>', 'work that it votes yes to, many at once where it can', readTemplate)
    .option(
      '--conflicting-work <template>',
      'given twice: works that exclude each other, for one {n}',
      collectTemplate,
    )
    .option('--refused-work <template>', 'work that it votes no to; may be repeated', collectTemplate)
    .option('--hostile-work <template>', 'work that it has to survive; may be repeated', collectTemplate)
    .option(
      '--restart-command <command>',
      'for sh: kills it with kill -9, and starts it again in the background',
    )
    .option(
      '--branch <name>',
      "the branch's name, where the participant insists on one",
      parseName,
      'conformance',
    )
    .option('--case <name>', 'run this case, and not the others; may be repeated', collect)
  register(command, async (session, options: Options, [address = '']) => {
    return await run(session, options, checkedAddress(address))
  })
}

async function run(session: Session, options: Options, address: string): Promise<number> {
  const { runConformance, conformanceCaseNames } = await import('../../sdk/conformance/index.ts')
  const unknown = options.case?.find((name) => !conformanceCaseNames.includes(name))
  if (unknown !== undefined) {
    throw new PledgedError(
      'USAGE',
      `--case ${unknown} is not a case; there are ${conformanceCaseNames.join(', ')}`,
    )
  }
  const { json, timeoutMs, namedAccess } = session.settings
  const works = worksOf(options)
  const restart =
    options.restartCommand === undefined ? undefined : new RestartCommand(options.restartCommand)
  session.note(openingLine(address, restart?.outputFile))
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  process.once('SIGINT', interrupt)
  const report = await runConformance({
    address,
    access: namedAccess,
    works,
    branch: options.branch,
    restart: restart?.run,
    only: options.case,
    timeoutMs,
    signal: stop.signal,
    onCase: (result) => {
      const isAskedFor = options.case === undefined || options.case.includes(result.name)
      if (!json && isAskedFor) session.print([caseLine(result, session.paint)])
    },
  }).finally(() => process.off('SIGINT', interrupt))
  if (json) session.printJson(reportJson(report))
  else session.print(closingLines(report, session.terminal.columns, session.paint))
  const isFlawless = report.failed === 0 && report.left.length === 0 && !stop.signal.aborted
  if (isFlawless) restart?.discardOutput()
  return isFlawless ? EXIT.done : EXIT.badNews
}

function worksOf({ work, conflictingWork = [], refusedWork, hostileWork }: Options): WorkTemplates {
  const [first, second] = conflictingWork
  if (conflictingWork.length !== 0 && conflictingWork.length !== 2) {
    throw new PledgedError(
      'USAGE',
      '--conflicting-work is given twice, or not at all: two works that exclude each other',
    )
  }
  const conflicting = first === undefined || second === undefined ? undefined : ([first, second] as const)
  return { work, conflicting, refused: refusedWork, hostile: hostileWork }
}

function readTemplate(text: string): WorkTemplate {
  if (!text.startsWith('@')) return new TextEncoder().encode(text)
  try {
    return new Uint8Array(readFileSync(text.slice(1)))
  } catch (error) {
    throw new InvalidArgumentError(`The file can't be read: ${messageOf(error)}.`)
  }
}

function collectTemplate(text: string, before: readonly WorkTemplate[] = []): readonly WorkTemplate[] {
  return [...before, readTemplate(text)]
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

function checkedAddress(text: string): string {
  try {
    return resolveAddress(text)
  } catch (error) {
    throw new PledgedError('USAGE', `the participant's ${PledgedError.from(error).message}`, { cause: error })
  }
}
