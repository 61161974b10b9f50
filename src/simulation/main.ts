/**
 * The simulator: the production coordinator, core, recovery and participant host through histories full of
 * faults, over virtual time, a simulated disk and a simulated network. Everything follows from one seed.
 *
 *   npm run simulate -- --histories 10000             a seed is drawn and printed
 *   npm run simulate -- --seed 7 --only 4211          that history again, with its trace
 *   npm run simulate -- --break list                  the bugs that it must catch
 *   npm run simulate -- --histories 5000 --break commit-before-sync
 *
 * The last line is JSON. Exit: 0 no violation, 1 a violation (with the command that replays it), 64 usage.
 */
import { parseArgs } from 'node:util'
import { messageOf } from '../base/errors.ts'
import { BREAKS, type Break, breakNamed } from './breaks/index.ts'
import { formatObserved } from './observations.ts'
import { type Simulation, simulate } from './simulate.ts'

const EXIT_VIOLATION = 1
const EXIT_USAGE = 64
const HISTORIES = 1_000

interface Arguments {
  readonly seed: number
  readonly histories: number
  readonly only: number | undefined
  readonly broken: Break | undefined
  readonly listsBreaks: boolean
  readonly verbose: boolean
}

class UsageError extends Error {}

async function main(): Promise<number> {
  let args: Arguments
  try {
    args = readArguments(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`simulate: ${messageOf(error)}\n`)
    return EXIT_USAGE
  }
  if (args.listsBreaks) {
    for (const { name, does } of BREAKS) process.stdout.write(`${name.padEnd(32)}${does}\n`)
    return 0
  }
  const simulation = await simulate(args)
  if (args.only !== undefined) {
    for (const seen of simulation.observed) process.stdout.write(`${formatObserved(seen)}\n`)
  }
  if (args.verbose) printReached(simulation)
  printFailure(args.seed, simulation)
  process.stdout.write(`${JSON.stringify(summaryOf(args.seed, simulation))}\n`)
  return simulation.failure === undefined ? 0 : EXIT_VIOLATION
}

function readArguments(argv: string[]): Arguments {
  const { values } = parsed(argv)
  const listsBreaks = values.break === 'list'
  const broken = values.break === undefined ? undefined : breakNamed(values.break)
  if (values.break !== undefined && broken === undefined && !listsBreaks) {
    throw new UsageError(`there is no break "${values.break}": see --break list`)
  }
  return {
    seed: wholeNumber('--seed', values.seed, 2 ** 32 - 1) ?? drawSeed(),
    histories: wholeNumber('--histories', values.histories, Number.MAX_SAFE_INTEGER) ?? HISTORIES,
    only: wholeNumber('--only', values.only, 2 ** 32 - 1),
    broken,
    listsBreaks,
    verbose: values.verbose === true,
  }
}

function parsed(argv: string[]) {
  return parseArgs({
    args: argv,
    options: {
      histories: { type: 'string' },
      seed: { type: 'string' },
      only: { type: 'string' },
      break: { type: 'string' },
      verbose: { type: 'boolean' },
    },
  })
}

function wholeNumber(flag: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,16}$/.test(text) || Number(text) > max) {
    throw new UsageError(`${flag} is "${text}": expected a whole number from 0 to ${max}`)
  }
  return Number(text)
}

function drawSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0
}

function printReached({ tally }: Simulation): void {
  for (const [what, count] of [...tally.reached].toSorted(([left], [right]) => (left < right ? -1 : 1))) {
    process.stdout.write(`${String(count).padStart(10)} ${what}\n`)
  }
}

function printFailure(seed: number, { failure }: Simulation): void {
  if (failure === undefined) return
  process.stdout.write(`seed ${seed}, history ${failure.index}:\n`)
  for (const violation of failure.violations) process.stdout.write(`  ${violation}\n`)
  process.stdout.write(`replay: ${failure.replay}\n`)
}

function summaryOf(seed: number, { histories, tally, failure }: Simulation) {
  return {
    seed,
    histories,
    transactions: tally.transactions,
    committed: tally.committed,
    aborted: tally.aborted,
    unknown: tally.unknown,
    crashes: tally.crashesInAll,
    faults: tally.faults,
    crashes_by_party: tally.crashes,
    violations: failure?.violations.length ?? 0,
  }
}

process.exitCode = await main()
