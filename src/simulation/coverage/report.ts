/** Reached and unreached, as a table. */
import { EXPECTED, reasonFor } from './expected.ts'

export interface Coverage {
  readonly reached: readonly Counted[]
  /** Reached, and not asked for: what the machine does nothing with. */
  readonly beyond: readonly Counted[]
  /** Not reached, for a reason. */
  readonly explained: readonly { readonly what: string; readonly reason: string }[]
  /** Not reached, and nothing says why. */
  readonly missing: readonly string[]
}

export interface Counted {
  readonly what: string
  readonly count: number
}

export function coverageOf(counts: ReadonlyMap<string, number>): Coverage {
  const listed = new Set(EXPECTED)
  const counted = [...counts].map(([what, count]) => ({ what, count })).toSorted(byName)
  const unreached = EXPECTED.filter((what) => !counts.has(what)).toSorted()
  return {
    reached: counted.filter(({ what }) => listed.has(what)),
    beyond: counted.filter(({ what }) => !listed.has(what)),
    explained: unreached.flatMap((what) => {
      const reason = reasonFor(what)
      return reason === undefined ? [] : [{ what, reason }]
    }),
    missing: unreached.filter((what) => reasonFor(what) === undefined),
  }
}

function byName(left: Counted, right: Counted): number {
  return left.what < right.what ? -1 : 1
}

export function formatCoverage({ reached, beyond, explained, missing }: Coverage): string {
  const counted = ({ what, count }: Counted) => `${String(count).padStart(12)}  ${what}`
  return [
    `reached: ${reached.length}`,
    ...reached.map(counted),
    `reached, and nothing is done there: ${beyond.length}`,
    ...beyond.map(counted),
    `not reached, for a reason: ${explained.length}`,
    ...explained.map(({ what, reason }) => `              ${what}: ${reason}`),
    `not reached, and nothing says why: ${missing.length}`,
    ...missing.map((what) => `              ${what}`),
    '',
  ].join('\n')
}
