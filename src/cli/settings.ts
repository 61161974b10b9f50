/** The flags that every command takes, and what they amount to. */
import { type Command, Option } from 'commander'
import { PledgedError } from '../base/errors.ts'
import type { AccessOptions } from '../dialling/index.ts'
import { resolveAccessOptions, resolveAddress } from '../sdk/dialling.ts'
import { parseDuration } from './durations.ts'
import type { Environment } from './environment.ts'
import { oneLine } from './text.ts'

export interface Settings {
  /** Of the daemon: HOST:PORT or unix:PATH. */
  readonly address: string
  /** --address was given. */
  readonly namesAddress: boolean
  /** What the daemon is shown, and by what it is known: by the flags, each of them over the environment. */
  readonly access: AccessOptions
  /** By the flags alone: for whatever isn't the daemon, to which the environment's token doesn't go. */
  readonly namedAccess: AccessOptions
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
  readonly tokenFile?: string
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly timeout: number
  readonly json?: boolean
  readonly color: boolean
  readonly quiet?: boolean
  readonly input: boolean
}

const TIMEOUT = '10s'

export function addGlobalOptions(program: Command): void {
  program
    .option(
      '--address <address>',
      'the daemon: HOST:PORT or unix:PATH (default: PLEDGED_ADDRESS, then 127.0.0.1:7420)',
    )
    .option('--token-file <file>', 'a file with the token to show (default: PLEDGED_TOKEN_FILE)')
    .option(
      '--tls-ca <file>',
      "speak TLS: the authority of the other side's certificate, as PEM (default: PLEDGED_TLS_CA)",
    )
    .option('--tls-cert <file>', 'a certificate to show, as PEM (default: PLEDGED_TLS_CERT)')
    .option('--tls-key <file>', 'its key, as PEM (default: PLEDGED_TLS_KEY)')
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
}

/** `command` is the one that was called. Throws USAGE. */
export function readSettings(command: Command, environment: Environment): Settings {
  const options = command.optsWithGlobals<GlobalOptions>()
  const named = namedAccess(options)
  return {
    address: addressOf(options.address, environment),
    namesAddress: options.address !== undefined,
    access: resolveAccessOptions(named, { ...environment }),
    namedAccess: named,
    timeoutMs: options.timeout,
    json: options.json === true,
    color: options.color,
    quiet: options.quiet === true,
    input: options.input,
  }
}

function namedAccess({ tokenFile, tlsCa, tlsCert, tlsKey }: GlobalOptions): AccessOptions {
  const tls = { caFile: tlsCa, certFile: tlsCert, keyFile: tlsKey }
  const speaksTls = Object.values(tls).some((file) => file !== undefined)
  return { tokenFile, tls: speaksTls ? tls : undefined }
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
