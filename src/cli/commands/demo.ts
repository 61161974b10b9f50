import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { describe } from '../help.ts'
import type { Register } from '../session.ts'

interface Options {
  readonly input?: string
  readonly kills: number
  readonly naive?: true
  readonly databases?: true
  readonly keep?: string
}

const KILLS_DEFAULT = 8
const KILLS_MAX = 1_000

export function addDemo(program: Command, register: Register): void {
  const command = describe(program.command('demo'), {
    summary: 'a stream of real events into two databases, none lost or doubled, through repeated kill -9',
    description:
      'It starts a daemon of its own, on a socket of its own, with its files in a new temporary directory. With --databases it starts a PostgreSQL and a MariaDB, too, private ones on ports of their own, kills them like the others, and stops them at the end; it needs their programs (Debian: postgresql, mariadb-server), and touches no other server.',
    examples: [
      'pledged demo',
      'pledged demo --databases',
      'pledged demo --kills 20 --keep ./demo',
      'pledged demo --naive',
    ],
    exitCodes: {
      done: 'nothing missing, nothing twice, nothing in doubt, and every window was hit',
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
  register(command, async (session, { input, kills, naive, databases, keep }: Options) => {
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
    })
  })
}

function parseKills(text: string): number {
  const kills = /^\d{1,4}$/.test(text) ? Number(text) : -1
  if (kills >= 0 && kills <= KILLS_MAX) return kills
  throw new InvalidArgumentError(`It takes a number from 0 to ${KILLS_MAX}.`)
}
