/** What a scenario has measured, and how it is shown. */

/** Over the rounds. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly greatest: number
}

export interface Report {
  readonly scenario: string
  readonly inflight: number
  readonly rounds: number
  readonly seconds_per_run: number
  /** What is to be compared: each a ratio within one round. */
  readonly ratios: Readonly<Record<string, Spread>>
  /** What they were made of: of this machine, at that time. */
  readonly figures: Readonly<Record<string, Spread>>
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other)
  const at = (index: number): number => sorted[Math.min(Math.max(index, 0), sorted.length - 1)] ?? Number.NaN
  const middle = (sorted.length - 1) / 2
  const median = (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2
  return { median: rounded(median), least: rounded(at(0)), greatest: rounded(at(sorted.length - 1)) }
}

/** Four significant digits: the noise begins before them. */
function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

export function formatReport(report: Report): string {
  const { scenario, inflight, rounds, seconds_per_run: seconds } = report
  const lines = [`${scenario}, ${inflight} in flight: ${rounds} rounds of ${seconds} s for each variant`]
  for (const [title, spreads] of [
    ['ratios', report.ratios],
    ['figures', report.figures],
  ] as const) {
    lines.push('', title)
    for (const [name, { median, least, greatest }] of Object.entries(spreads)) {
      lines.push(`  ${name.padEnd(64)}${String(median).padStart(10)}   (${least} to ${greatest})`)
    }
  }
  return `${lines.join('\n')}\n`
}
