/**
 * The simulator: the production coordinator, core, recovery, participant host and application's SDK through histories
 * full of faults, over virtual time, a simulated disk and a simulated network. Everything follows from one seed.
 *
 *   npm run simulate -- --histories 10000             a seed is drawn and printed
 *   npm run simulate -- --seconds 60                  as many as that gives room for
 *   npm run simulate -- --seed 7 --only 4211          that history again, with its trace
 *   npm run simulate -- --histories 10000 --coverage  which transitions were reached
 *   npm run simulate -- --break list                  the bugs that it must catch
 *   npm run simulate -- --histories 5000 --break commit-before-sync
 *
 * Progress goes to stderr; the last line on stdout is JSON, also after SIGINT, which ends the run. Exit: 0 no
 * violation, 1 a violation (with the command that replays it), or something that no history of many reached, 64
 * usage, 130 interrupted.
 */
import { messageOf } from '../base/errors.ts'
import { type Arguments, readArguments, UsageError } from './arguments.ts'
import { BREAKS } from './breaks/index.ts'
import { coverageOf, formatCoverage } from './coverage/index.ts'
import { formatObserved } from './observations.ts'
import { formatFailure, formatProgress, summaryOf } from './report.ts'
import { simulate } from './simulate.ts'
import type { Tally } from './tally.ts'
import { type Progress, simulateInThreads } from './threads/index.ts'

const EXIT_VIOLATION = 1
const EXIT_USAGE = 64
const EXIT_INTERRUPTED = 130
const PROGRESS_EVERY_MS = 5_000
const HISTORIES_TO_COVER_ALL = 20_000

async function main(): Promise<number> {
  let args: Arguments
  try {
    args = readArguments(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof TypeError)) throw error
    process.stderr.write(`simulate: ${messageOf(error)}\n`)
    return EXIT_USAGE
  }
  if (args.listsBreaks) {
    for (const { name, does } of BREAKS) process.stdout.write(`${name.padEnd(34)}${does}\n`)
    return 0
  }
  const interrupt = new AbortController()
  // A terminal tells the whole group, and npm tells us once more: the second is not to end us amid the summary.
  process.on('SIGINT', () => interrupt.abort())
  // Whoever reads a trace may have seen enough of it.
  process.stdout.on('error', () => process.exit(EXIT_INTERRUPTED))
  const progress =
    args.only === undefined ? await runAll(args, interrupt.signal) : await runOne(args, args.only)
  if (progress.failure !== undefined) process.stdout.write(formatFailure(args.seed, progress.failure))
  const coverage = coverageOf(progress.tally.reached)
  if (args.showsCoverage) process.stdout.write(formatCoverage(coverage))
  process.stdout.write(`${JSON.stringify(summaryOf(args.seed, progress))}\n`)
  if (progress.failure !== undefined) return EXIT_VIOLATION
  if (lacksCoverage(progress.tally, args)) return EXIT_VIOLATION
  return interrupt.signal.aborted ? EXIT_INTERRUPTED : 0
}

/** Enough histories were run, as they should be, and there is still something that none of them reached. */
function lacksCoverage({ histories, reached }: Tally, { broken }: Arguments): boolean {
  if (broken !== undefined || histories < HISTORIES_TO_COVER_ALL) return false
  const { missing } = coverageOf(reached)
  for (const what of missing) process.stderr.write(`simulate: no history reached "${what}"\n`)
  return missing.length > 0
}

/** With its trace, step by step. */
async function runOne({ seed, broken }: Arguments, only: number): Promise<Progress> {
  const simulation = await simulate({ seed, histories: 1, only, broken })
  for (const seen of simulation.observed) process.stdout.write(`${formatObserved(seen)}\n`)
  return simulation
}

async function runAll(args: Arguments, interrupted: AbortSignal): Promise<Progress> {
  const { seed, histories, seconds, broken } = args
  const startedMs = performance.now()
  let printedMs = startedMs
  process.stderr.write(`simulate: seed ${seed}\n`)
  const timeIsOver = seconds === undefined ? [] : [AbortSignal.timeout(seconds * 1_000)]
  return await simulateInThreads({
    seed,
    histories,
    broken,
    signal: AbortSignal.any([interrupted, ...timeIsOver]),
    onProgress: ({ tally }) => {
      const nowMs = performance.now()
      if (nowMs - printedMs < PROGRESS_EVERY_MS) return
      printedMs = nowMs
      process.stderr.write(formatProgress(tally, histories, nowMs - startedMs))
    },
  })
}

process.exitCode = await main()
