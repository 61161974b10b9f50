import { resolve } from 'node:path'
import { Argument, type Command } from 'commander'
import { PledgedError } from '../../base/errors.ts'
import { parseName } from '../arguments.ts'
import { describe } from '../help.ts'
import type { Register } from '../session.ts'

interface Options {
  readonly name: string
  readonly file?: string
  readonly urlFile?: string
  readonly statementsFile?: string
  readonly poolSize?: string
  readonly lockTimeout?: string
  readonly listen?: string
  readonly insecure?: true
}

const DESCRIPTION = [
  'It attaches to the daemon at --address, and attaches again whenever the connection was lost, until SIGTERM or SIGINT; or, with --listen, waits for the daemon to call (kind: grpc in its configuration). How that goes is told on standard error. The URL of a database comes from a file or the environment, never from a flag, which others can read in the list of processes.',
  "Attaching, it shows the token of --token-file, and the certificate of --tls-cert where there is one; --tls-ca is the authority of the daemon's. Listening, it is whoever calls that has to show that token, and, with --tls-ca, a certificate of that authority; --tls-cert and --tls-key are its own. What the environment names (PLEDGED_TOKEN_FILE, PLEDGED_TLS_...) counts for attaching alone.",
].join('\n\n')

/** Those that are built in. */
const KINDS = ['sqlite', 'offsets', 'postgres', 'mysql']

export function addParticipantServe(participants: Command, register: Register): void {
  const command = describe(participants.command('serve'), {
    summary: 'a built-in participant as a process of its own',
    description: DESCRIPTION,
    examples: [
      'pledged participant serve sqlite --name sink --file sink.db',
      'pledged participant serve postgres --name ledger --url-file /run/secrets/ledger-url',
      'PLEDGED_PARTICIPANT_URL=mysql://... pledged participant serve mysql --name stock --listen 127.0.0.1:9001',
      'pledged participant serve sqlite --name sink --file sink.db --listen 0.0.0.0:9001 --tls-cert sink.pem --tls-key sink.key --token-file sink-token',
    ],
    exitCodes: {
      done: 'stopped by a signal',
      usage: '',
      internal: '',
      configuration:
        "the file or the database can't keep a pledge as it is, or isn't one of this kind; or nothing would guard the address",
    },
  })
    .addArgument(new Argument('<kind>', 'what it is').choices(KINDS))
    .requiredOption(
      '--name <name>',
      "the name that transactions call it by: 1 to 32 of a-z, 0-9 and '-'",
      parseName,
    )
    .option('--file <file>', 'of sqlite and offsets: its database; offsets makes it where there is none')
    .option(
      '--url-file <file>',
      'of postgres and mysql: a file with the URL of its database (default: the variable PLEDGED_PARTICIPANT_URL)',
    )
    .option(
      '--statements-file <file>',
      'of sqlite, postgres and mysql: YAML, NAME: SQL, one for each statement; work may name these and no others',
    )
    .option('--pool-size <n>', 'of postgres and mysql: how many connections it may have')
    .option('--lock-timeout <duration>', 'of postgres and mysql: how long a branch waits for a lock')
    .option('--listen <address>', 'HOST:PORT or unix:PATH: listen there, and attach to nobody')
    .option(
      '--insecure',
      'with --listen: allow an address that others can reach, without TLS and authentication',
    )
  register(command, async (session, options: Options, [kind = '']) => {
    const { name, file, urlFile, statementsFile, poolSize, lockTimeout, listen, insecure } = options
    const { address, namesAddress, access, namedAccess } = session.settings
    if (listen !== undefined && namesAddress) {
      throw new PledgedError(
        'USAGE',
        'a participant attaches to the daemon at --address, or listens at --listen: leave one of them out',
      )
    }
    const { runParticipant } = await import('../../daemon/index.ts')
    return await runParticipant(
      {
        kind,
        name,
        file: absolute(file),
        urlFile: absolute(urlFile),
        statementsFile: absolute(statementsFile),
        poolSize,
        lockTimeout,
        address,
        listen,
        insecure,
        ...(listen === undefined ? access : namedAccess),
      },
      session.environment,
    )
  })
}

function absolute(file: string | undefined): string | undefined {
  return file === undefined ? undefined : resolve(file)
}
