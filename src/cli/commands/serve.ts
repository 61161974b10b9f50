import { type Command, Option } from 'commander'
import { PledgedError } from '../../base/errors.ts'
import type { Configuration, ConfiguredParticipant } from '../../daemon/index.ts'
import { EXIT } from '../exit-codes.ts'
import { describe } from '../help.ts'
import type { Register, Session } from '../session.ts'
import { counted } from '../text.ts'

interface Options {
  readonly config?: string
  readonly listen?: string
  readonly dataDir?: string
  readonly httpListen?: string
  readonly insecure?: true
  readonly logLevel?: string
  readonly checkConfig?: true
}

export function addServe(program: Command, register: Register): void {
  const command = describe(program.command('serve'), {
    summary: 'the daemon, until SIGTERM or SIGINT',
    description:
      'Flags go over the environment (PLEDGED_LISTEN, PLEDGED_DATA_DIR, ...), that over the file, that over the defaults. Its log goes to standard error, one JSON object a line. A signal drains it: new transactions are refused, those under way end; a second one ends it at once.',
    examples: [
      'pledged serve',
      'pledged serve --config pledged.yaml --check-config',
      'pledged serve --listen unix:/run/pledged.sock --data-dir /var/lib/pledged',
    ],
    exitCodes: {
      done: 'drained, and every decision delivered',
      usage: '',
      internal: '',
      log: "the log can't be read or written, is damaged, or is in use",
      unknown: 'ended with a decision undelivered: keep the data directory',
      configuration: '',
    },
  })
    .option('--config <file>', 'configuration, in YAML (default: PLEDGED_CONFIG, then none)')
    .option('--listen <address>', 'HOST:PORT or unix:PATH (default: 127.0.0.1:7420)')
    .option('--data-dir <directory>', 'where the log is; it has to survive (default: ./pledged-data)')
    .option('--http-listen <address>', 'for /livez and /readyz (default: 127.0.0.1:7421)')
    .option('--insecure', 'allow an address that others can reach, without TLS and authentication')
    .addOption(new Option('--log-level <level>', 'trace, debug, info, warn or error (default: info)'))
    .option('--check-config', 'check the configuration, say what it amounts to, and start nothing')
  register(command, async (session, options: Options) => {
    if (session.settings.namesAddress) {
      throw new PledgedError(
        'USAGE',
        'serve takes no --address: that names a daemon to ask; use --listen for where this one listens',
      )
    }
    const { namedAccess } = session.settings
    if (namedAccess.tokenFile !== undefined || namedAccess.tls !== undefined) {
      throw new PledgedError(
        'USAGE',
        "serve takes neither --token-file nor --tls-...: those are for asking a daemon; this one's own are in its configuration, under tls and auth",
      )
    }
    const daemon = await import('../../daemon/index.ts')
    const { config: configFile, listen, httpListen, dataDir, insecure, logLevel } = options
    const flags = { configFile, listen, httpListen, dataDir, insecure, logLevel }
    if (options.checkConfig !== true) return await daemon.runDaemon(flags, session.environment)
    show(daemon.checkConfiguration(flags, session.environment), session, daemon.resourceText)
    return EXIT.done
  })
}

type Address = Configuration['listen']

function show(
  configuration: Configuration,
  session: Session,
  resourceText: (participant: ConfiguredParticipant) => string,
): void {
  const { configFile, dataDirectory, logLevel, participants, warnings } = configuration
  const { tls, auth } = configuration.security
  const listen = addressText(configuration.listen)
  const httpListen = addressText(configuration.httpListen)
  if (session.settings.json) {
    session.printJson({
      config_file: configFile ?? null,
      listen,
      http_listen: httpListen,
      data_dir: dataDirectory,
      log_level: logLevel,
      tls: tls === undefined ? null : { cert_file: tls.certFile, client_ca_file: tls.clientCaFile ?? null },
      identities: auth === undefined ? null : identitiesOf(auth),
      participants: participants.map((participant) => ({
        name: participant.name,
        kind: participant.kind,
        resource: resourceText(participant),
      })),
      warnings,
    })
    return
  }
  const names = participants
    .map((participant) => `${participant.name} (${participant.kind} ${resourceText(participant)})`)
    .join(', ')
  session.print([
    `the configuration is right${configFile === undefined ? ' (there is no file: flags, environment and defaults)' : `: ${configFile}`}`,
    `listens on ${listen}, and on ${httpListen} for probes`,
    securityText(configuration.security),
    `log in ${dataDirectory}`,
    `${counted(participants.length, 'participant')}${names === '' ? ', others may attach' : `: ${names}`}`,
    ...warnings.map((warning) => `warning: ${warning}`),
  ])
}

type Security = Configuration['security']

/** Who may come in, and by what: never with which token. */
function identitiesOf({ tokens, certificates }: NonNullable<Security['auth']>) {
  return [
    ...tokens.map(({ identity, file }) => ({ ...identity, token_file: file })),
    ...certificates.map(({ identity, subject }) => ({ ...identity, subject })),
  ]
}

function securityText({ tls, auth }: Security): string {
  const wanted = tls?.clientCaFile === undefined ? '' : ', to clients with a certificate'
  const connection = tls === undefined ? 'plain text' : `TLS${wanted}`
  if (auth === undefined) return `${connection}; whoever connects may do everything`
  const names = identitiesOf(auth).map(({ name, role }) => `${name} (${role})`)
  return `${connection}; lets in ${[...new Set(names)].join(', ')}`
}

function addressText(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}
