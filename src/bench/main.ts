/**
 * The bench: what a transaction costs, as ratios of runs that are interleaved on one machine in one go. An absolute figure of
 * one run says little: machines differ, and so does one machine from minute to minute.
 *
 *   npm run bench -- --scenario null --inflight 64
 *   npm run bench -- --scenario unary --inflight 64 --json
 *   npm run bench -- --list
 *
 * Each round runs every variant of the scenario once, in turn; a ratio is taken within its round, and its median is what is
 * printed, with the least and the greatest. Exit: 0, 64 usage, 70 it could not be run.
 */
import { parseArgs } from 'node:util'
import { messageOf } from '../base/errors.ts'
import { formatReport } from './report.ts'
import { SCENARIOS, type ScenarioName } from './scenarios/index.ts'

const EXIT_USAGE = 64
const EXIT_FAILED = 70
const DEFAULTS = { inflight: '64', rounds: '7', seconds: '2' } as const

class UsageError extends Error {}

async function main(): Promise<number> {
  try {
    const { values } = parseArgs({
      options: {
        scenario: { type: 'string' },
        inflight: { type: 'string', default: DEFAULTS.inflight },
        rounds: { type: 'string', default: DEFAULTS.rounds },
        seconds: { type: 'string', default: DEFAULTS.seconds },
        json: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
      },
    })
    if (values.list) {
      for (const [name, { measures }] of Object.entries(SCENARIOS)) {
        process.stdout.write(`${name.padEnd(12)}${measures}\n`)
      }
      return 0
    }
    const name = scenarioName(values.scenario)
    const report = await SCENARIOS[name].run({
      scenario: name,
      inflight: wholeNumber('--inflight', values.inflight, 100_000),
      rounds: wholeNumber('--rounds', values.rounds, 1_000),
      seconds: wholeNumber('--seconds', values.seconds, 600),
      progress: (line) => process.stderr.write(`bench: ${line}\n`),
    })
    process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : formatReport(report))
    return 0
  } catch (error) {
    const isUsage = error instanceof UsageError || error instanceof TypeError
    process.stderr.write(`bench: ${messageOf(error)}\n`)
    return isUsage ? EXIT_USAGE : EXIT_FAILED
  }
}

function scenarioName(text: string | undefined): ScenarioName {
  const names = Object.keys(SCENARIOS) as ScenarioName[]
  const found = names.find((name) => name === text)
  if (found !== undefined) return found
  throw new UsageError(`--scenario is ${text ?? 'missing'}: it has to be one of ${names.join(', ')}`)
}

function wholeNumber(flag: string, text: string, max: number): number {
  const number = Number(text)
  if (/^\d{1,9}$/.test(text) && number >= 1 && number <= max) return number
  throw new UsageError(`${flag} is "${text}": expected a whole number from 1 to ${max}`)
}

process.exitCode = await main()
