import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { describe } from '../help.ts'
import type { Register, Session } from '../session.ts'

interface Options {
  readonly input?: string
  readonly kills: number
  readonly naive?: true
  readonly databases?: true
  readonly leaveInDoubt?: true
  readonly keep?: string
}

const KILLS_DEFAULT = 8
const KILLS_MAX = 1_000

export function addDemo(program: Command, register: Register): void {
  const command = describe(program.command('demo'), {
    summary: 'a stream of real events into two databases, none lost or doubled, through repeated kill -9',
    description:
      'It starts a daemon of its own, on a socket of its own, with its files in a new temporary directory. With --databases it starts a PostgreSQL and a MariaDB, too, private ones on ports of their own, kills them like the others, and stops them at the end; it needs their programs (Debian: postgresql, mariadb-server), and touches no other server. With --leave-in-doubt it kills a participant after its vote, and leaves one transaction in doubt, for the commands of an operator: its daemon stays up in the background, at --address, and its files are made in the current directory.',
    examples: [
      'pledged demo',
      'pledged demo --databases',
      'pledged demo --kills 20 --keep ./demo',
      'pledged demo --naive',
      'pledged demo --leave-in-doubt',
    ],
    exitCodes: {
      done: 'nothing missing, nothing twice, nothing in doubt, and every window was hit; or left in doubt, as asked',
      unreachable: 'with --leave-in-doubt: its daemon could not be started',
      badNews: 'the proof failed, or a window was not hit; with --naive: it went wrong, as it had to',
      usage: '',
      internal: '',
      configuration: 'with --databases: the programs of a server are missing',
    },
  })
    .option('--input <file>', 'JSON lines of your own, one event a line (default: 20,000 flights)')
    .option('--kills <number>', 'how often to kill -9', parseKills, KILLS_DEFAULT)
    .option('--naive', 'two plain commits instead of one transaction, under the same kills')
    .option(
      '--keep <directory>',
      'make the files there, and leave them (of servers: their data go with them)',
    )
    .addOption(
      new Option('--databases', 'on PostgreSQL and MariaDB, in the place of two SQLite files').conflicts(
        'naive',
      ),
    )
    .addOption(
      new Option(
        '--leave-in-doubt',
        'leave one transaction in doubt, and the daemon that knows of it; it says how to go on',
      ).conflicts(['naive', 'databases']),
    )
  register(command, async (session, { input, kills, naive, databases, leaveInDoubt, keep }: Options) => {
    const { runDemo } = await import('../../demo/index.ts')
    const { json, quiet, color } = session.settings
    return await runDemo({
      inputFile: input === undefined ? undefined : resolve(input),
      kills,
      naive: naive === true,
      databases: databases === true,
      json,
      color: color && session.terminal.color,
      quiet,
      keep: keep === undefined ? undefined : resolve(keep),
      leaveInDoubt: leaveInDoubt === true ? leftAddress(session) : undefined,
    })
  })
}

/** Where the commands that come next will look, if that can be. */
function leftAddress({ settings, environment }: Session) {
  const isInEnvironment = (environment['PLEDGED_ADDRESS'] ?? '') !== ''
  return {
    text: settings.address,
    isDefault: !settings.namesAddress && !isInEnvironment,
    isKnown: !settings.namesAddress,
  }
}

function parseKills(text: string): number {
  const kills = /^\d{1,4}$/.test(text) ? Number(text) : -1
  if (kills >= 0 && kills <= KILLS_MAX) return kills
  throw new InvalidArgumentError(`It takes a number from 0 to ${KILLS_MAX}.`)
}
