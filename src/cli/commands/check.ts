import { type Command, Option } from 'commander'
import { PledgedError } from '../../base/errors.ts'
import { durationJson, parseDuration } from '../durations.ts'
import { EXIT, exitCodeLines } from '../exit-codes.ts'
import { HEALTH_EXIT, type Health, healthOf, nagiosLine, type Thresholds } from '../health.ts'
import { describe } from '../help.ts'
import type { Register, Session } from '../session.ts'
import { oneLine } from '../text.ts'

interface Options {
  readonly warning: number
  readonly critical: number
  readonly format: 'nagios' | 'json'
}

export function addCheck(program: Command, register: Register): void {
  const command = describe(program.command('check'), {
    summary: 'for monitors: whether anything is in doubt for too long, or a pledge broken',
    description:
      'One line, by the convention of the Nagios plugins. Critical: in doubt for longer, a broken pledge, a log that failed. Warning: in doubt for longer, shutting down, a quarantined participant, branches of other logs.',
    examples: ['pledged check', 'pledged check --warning 10s --critical 2m', 'pledged check --format json'],
    exitCodes: exitCodeLines([
      [HEALTH_EXIT.ok, 'OK'],
      [HEALTH_EXIT.warning, 'warning'],
      [HEALTH_EXIT.critical, 'critical'],
      [HEALTH_EXIT.unknown, "unknown: the daemon can't be reached"],
      [EXIT.usage, 'a mistake on the command line'],
    ]),
  })
    .addOption(thresholdOption('--warning <duration>', '30s'))
    .addOption(thresholdOption('--critical <duration>', '60s'))
    .addOption(new Option('--format <format>', 'what to print').choices(['nagios', 'json']).default('nagios'))
  register(command, async (session, { warning, critical, format }: Options) => {
    const thresholds = { warningMs: warning, criticalMs: critical }
    if (warning > critical) {
      throw new PledgedError('USAGE', '--warning is longer than --critical: it would never be seen')
    }
    const health = await askHealth(session, thresholds)
    if (session.settings.json || format === 'json') session.printJson(healthJson(health))
    else session.print([nagiosLine(health, thresholds)])
    return HEALTH_EXIT[health.level]
  })
}

function thresholdOption(flags: string, fallback: string): Option {
  const [flag = flags] = flags.split(' ')
  return new Option(flags, `${flag.slice(2)} where something is in doubt for longer`)
    .default(parseDuration(flag, fallback), fallback)
    .argParser((text) => parseDuration(flag, text))
}

/** A monitor reads standard output, whatever happened. */
async function askHealth(session: Session, thresholds: Thresholds): Promise<Health> {
  try {
    return healthOf(await session.ask((client) => client.status()), thresholds)
  } catch (error) {
    return { level: 'unknown', message: oneLine(PledgedError.from(error).message) }
  }
}

function healthJson({ level, inDoubt, oldestInDoubtMs, heuristics, message }: Health) {
  return {
    level,
    in_doubt: inDoubt ?? null,
    oldest_in_doubt: oldestInDoubtMs === undefined ? null : durationJson(oldestInDoubtMs),
    heuristics: heuristics ?? null,
    message,
  }
}
