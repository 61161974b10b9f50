/**
 * Ends that are told to the log together, in few records: an end by itself costs nearly what a
 * decision does, and nobody waits for it. One that is told twice is written once.
 */
import type { EndRecord } from '../../protocol/records.ts'
import { ENDS_SPAN_MAX, type EndsRecord, endAt } from '../stored-record.ts'

/**
 * Whoever looks for an end looks at every record that reaches over its sequence: those that are far from each other, and would
 * reach over many, stay apart.
 */
const GAP_MAX = 8

export function gatherEnds(ends: readonly EndRecord[]): readonly (EndRecord | EndsRecord)[] {
  if (ends.length < 2) return ends
  const byOpening = new Map<string, [sequence: number, endTimeMs: number][]>()
  for (const { xid, endTimeMs } of ends) {
    const dot = xid.lastIndexOf('.')
    const within = xid.slice(0, dot)
    const end: [number, number] = [Number(xid.slice(dot + 1)), endTimeMs]
    const others = byOpening.get(within)
    if (others === undefined) byOpening.set(within, [end])
    else others.push(end)
  }
  return [...byOpening].flatMap(([within, all]) =>
    stretchesOf(all).map((stretch) => {
      const [[sequence, endTimeMs] = [0, 0], ...more] = stretch
      return more.length === 0
        ? endAt(within, sequence, endTimeMs)
        : ({ type: 'ends', within, ends: stretch } as const)
    }),
  )
}

function stretchesOf<End extends readonly [number, number]>(ends: End[]): End[][] {
  const stretches: End[][] = []
  let stretch: End[] = []
  for (const end of ends.sort(([left], [right]) => left - right)) {
    const [sequence] = end
    const [first] = stretch
    const last = stretch.at(-1)
    if (last !== undefined && last[0] === sequence) continue
    if (!first || !last || sequence - last[0] > GAP_MAX || sequence - first[0] >= ENDS_SPAN_MAX) {
      stretch = []
      stretches.push(stretch)
    }
    stretch.push(end)
  }
  return stretches
}
