import { type Command, Option } from 'commander'
import { PledgedError } from '../../base/errors.ts'
import { parseDuration } from '../durations.ts'
import { exitCodeLines, RUN_EXIT } from '../exit-codes.ts'
import { describe } from '../help.ts'
import type { Register, Session } from '../session.ts'

interface Options {
  readonly config?: string
  readonly listen?: string
  readonly dataDir?: string
  readonly httpListen?: string
  readonly insecure?: true
  readonly logLevel?: string
  readonly stopTimeout?: number
}

export function addRun(program: Command, register: Register): void {
  const command = describe(program.command('run'), {
    summary: 'a daemon beside one application, which it starts, and with which it ends',
    description:
      "It starts a daemon on a unix socket of its own, waits until it is ready, and starts COMMAND with PLEDGED_ADDRESS in its environment. Signals go to COMMAND; when that has ended, the daemon drains, and COMMAND's exit code is the exit code. A daemon that dies meanwhile is started again, and COMMAND goes on. What stands after -- is COMMAND's, word for word. Flags go over the environment (PLEDGED_DATA_DIR, ...), that over the file, that over the defaults; where the daemon listens, only --listen says. The log goes to standard error, one JSON object a line.",
    examples: [
      'pledged run -- node server.js',
      'pledged run --config pledged.yaml --data-dir /var/lib/shop -- ./shop --port 8080',
      'pledged run --listen unix:/run/pledged/pledged.sock --stop-timeout 20s -- ./shop',
    ],
    exitCodes: exitCodeLines([
      [RUN_EXIT.failed, 'run itself failed, and COMMAND was not started; the sentence says why'],
      [RUN_EXIT.notExecutable, "COMMAND can't be executed"],
      [RUN_EXIT.notFound, 'COMMAND was not found'],
    ]).concat("\n  any other: COMMAND's own; 128 + n where the signal n ended it"),
  })
    .usage('[options] -- COMMAND [ARGS...]')
    .argument('<command...>', 'the application, and its arguments')
    .option('--config <file>', 'configuration, in YAML (default: PLEDGED_CONFIG, then none)')
    .option('--listen <address>', 'unix:PATH, for a socket that others can find (default: a private one)')
    .option('--data-dir <directory>', 'where the log is; it has to survive (default: ./pledged-data)')
    .option(
      '--http-listen <address>',
      'for /livez and /readyz (default: http_listen in the file, then none but a private socket)',
    )
    .option('--insecure', 'allow an address that others can reach, without TLS and authentication')
    .addOption(new Option('--log-level <level>', 'trace, debug, info, warn or error (default: info)'))
    .addOption(
      new Option(
        '--stop-timeout <duration>',
        'kill a COMMAND that has not ended that long after SIGTERM or SIGINT (default: never)',
      ).argParser((text) => parseDuration('--stop-timeout', text)),
    )
  register(command, async (session, options: Options, words) => await run(session, options, words))
}

/**
 * What only the whole command line tells: whether `run` was called, whose failures have exit codes of their own, and
 * whether -- stands before the application, without which its flags would be taken for ours, silently.
 */
export function followRun(program: Command, args: readonly string[]): { readonly isCalled: () => boolean } {
  let isCalled = false
  program.hook('preSubcommand', (_program, command) => {
    isCalled = command.name() === 'run'
  })
  program.hook('preAction', (_program, command) => {
    if (isCalled && args.indexOf('--') !== args.length - command.args.length - 1) {
      throw new PledgedError(
        'USAGE',
        'run takes the application after --, and nothing but options before it: pledged run [options] -- COMMAND [ARGS...]',
      )
    }
  })
  return { isCalled: () => isCalled }
}

async function run(session: Session, options: Options, words: readonly string[]): Promise<number> {
  const { config: configFile, listen, httpListen, dataDir, insecure, stopTimeout } = options
  const { quiet, json } = session.settings
  refuseClientFlags(session)
  const [command = '', ...args] = words
  const { runSidecar } = await import('../../daemon/sidecar/index.ts')
  const logLevel = options.logLevel ?? (quiet ? 'error' : undefined)
  const end = await runSidecar({
    daemon: { configFile, listen, httpListen, dataDir, insecure, logLevel },
    command,
    args,
    environment: session.environment,
    stopTimeoutMs: stopTimeout,
    quiet,
  })
  if (end.type === 'ended') return end.exitCode
  const { type, message } = end
  session.terminal.note(json ? JSON.stringify({ error: { code: 'USAGE', message } }) : `pledged: ${message}`)
  return type === 'not_found' ? RUN_EXIT.notFound : RUN_EXIT.notExecutable
}

/** They name a daemon that is there, and what it asks for. */
function refuseClientFlags({ settings: { namesAddress, namedAccess } }: Session): void {
  if (namesAddress) {
    throw new PledgedError(
      'USAGE',
      'run takes no --address: it starts a daemon of its own; use --listen for where that one listens',
    )
  }
  if (namedAccess.tokenFile === undefined && namedAccess.tls === undefined) return
  throw new PledgedError(
    'USAGE',
    "run takes neither --token-file nor --tls-...: those are for asking a daemon; give the application PLEDGED_TOKEN_FILE and PLEDGED_TLS_... in its environment, if the daemon's configuration asks for them",
  )
}
