/** What a run says of itself: progress, the first violation, and the last line. */
import type { Failure } from './simulate.ts'
import type { Tally } from './tally.ts'
import type { Progress } from './threads/index.ts'

export function formatProgress(tally: Tally, histories: number, tookMs: number): string {
  const of = Number.isFinite(histories) ? ` of ${histories}` : ''
  const perSecond = Math.round((tally.histories * 1_000) / tookMs)
  return `simulate: ${tally.histories}${of} histories, ${perSecond} a second, ${tally.crashesInAll} crashes\n`
}

export function formatFailure(seed: number, { index, violations, replay }: Failure): string {
  return [
    `seed ${seed}, history ${index}:`,
    ...violations.map((violation) => `  ${violation}`),
    `replay: ${replay}\n`,
  ].join('\n')
}

export function summaryOf(seed: number, { tally, failure }: Progress) {
  return {
    seed,
    histories: tally.histories,
    transactions: tally.transactions,
    committed: tally.committed,
    aborted: tally.aborted,
    unknown: tally.unknown,
    crashes: tally.crashesInAll,
    faults: tally.faults,
    violations: failure?.violations.length ?? 0,
    exceptions: tally.exceptions,
    crashes_by_party: tally.crashes,
  }
}
