/** The flags that every command takes, and what they amount to. */
import { type Command, Option } from 'commander'
import { PledgedError } from '../base/errors.ts'
import { resolveAddress } from '../sdk/dialling.ts'
import { parseDuration } from './durations.ts'
import type { Environment } from './environment.ts'
import { oneLine } from './text.ts'

export interface Settings {
  /** Of the daemon: HOST:PORT or unix:PATH. */
  readonly address: string
  /** --address was given. */
  readonly namesAddress: boolean
  /** For all that a command asks of the daemon. */
  readonly timeoutMs: number
  readonly json: boolean
  readonly color: boolean
  readonly quiet: boolean
  /** A person may be asked. */
  readonly input: boolean
}

interface GlobalOptions {
  readonly address?: string
  readonly timeout: number
  readonly json?: boolean
  readonly color: boolean
  readonly quiet?: boolean
  readonly input: boolean
}

const TIMEOUT = '10s'

/** To take one and not to do what it says would leave an operator with less safety than they were promised. */
const NOT_IN_THIS_VERSION: readonly (readonly [flags: string, what: string])[] = [
  ['--token-file <file>', 'authentication'],
  ['--tls-ca <file>', 'TLS'],
  ['--tls-cert <file>', 'TLS'],
  ['--tls-key <file>', 'TLS'],
]

export function addGlobalOptions(program: Command): void {
  program
    .option(
      '--address <address>',
      'the daemon: HOST:PORT or unix:PATH (default: PLEDGED_ADDRESS, then 127.0.0.1:7420)',
    )
    .addOption(
      new Option('--timeout <duration>', 'how long to wait for its answers, for example 500ms or 30s')
        .default(parseDuration('--timeout', TIMEOUT), TIMEOUT)
        .argParser((text) => parsePositiveDuration('--timeout', text)),
    )
    .option(
      '--json',
      'print JSON: one document, or one per line where it streams; errors too, on standard error',
    )
    .option(
      '--no-color',
      'no colours (nor with NO_COLOR, TERM=dumb, or where standard output is no terminal)',
    )
    .option('--no-input', 'never ask: what wants a confirmation takes it from --confirm, or is refused')
    .option('-q, --quiet', 'results and errors only')
  for (const [flags, what] of NOT_IN_THIS_VERSION) {
    program.addOption(new Option(flags).hideHelp().argParser(() => refuse(flags, what)))
  }
}

/** `command` is the one that was called. Throws USAGE. */
export function readSettings(command: Command, environment: Environment): Settings {
  const options = command.optsWithGlobals<GlobalOptions>()
  return {
    address: addressOf(options.address, environment),
    namesAddress: options.address !== undefined,
    timeoutMs: options.timeout,
    json: options.json === true,
    color: options.color,
    quiet: options.quiet === true,
    input: options.input,
  }
}

function addressOf(given: string | undefined, environment: Environment): string {
  try {
    return resolveAddress(given, { ...environment })
  } catch (error) {
    const { message } = PledgedError.from(error)
    throw new PledgedError('USAGE', given === undefined ? message : `--${message}`, { cause: error })
  }
}

function parsePositiveDuration(flag: string, text: string): number {
  const durationMs = parseDuration(flag, text)
  if (durationMs >= 1) return durationMs
  throw new PledgedError('USAGE', `${flag} has to be at least 1ms; it is ${oneLine(text)}`)
}

function refuse(flags: string, what: string): never {
  const flag = flags.split(' ')[0]
  throw new PledgedError(
    'USAGE',
    `${flag} is not in this version, which has no ${what} yet: leave it out, and keep the daemon on loopback or a unix socket`,
  )
}
