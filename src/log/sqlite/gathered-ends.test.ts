import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Xid } from '../../base/ids.ts'
import { decodeRecord } from '../record-codec.ts'
import { end } from '../sample-records.ts'
import { ENDS_SPAN_MAX, type EndsRecord, endsIn } from '../stored-record.ts'
import { gatherEnds } from './gathered-ends.ts'

const OPENINGS = ['k3f9qa7m2xw4.7-q3f9', 'k3f9qa7m2xw4.8-q3f9', 'aaaaaaaaaaaa.7-q3f9']

describe('gathered ends', () => {
  const ends = fc
    .uniqueArray(fc.tuple(fc.constantFrom(...OPENINGS), fc.integer({ min: 1, max: 600 })), {
      selector: String,
      maxLength: 300,
    })
    .map((places) => places.map(([within, sequence]) => end(`${within}.${sequence}` as Xid, sequence / 4)))

  it('are gathered without losing, adding or changing one', () => {
    fc.assert(
      fc.property(ends, (all) => {
        const told = gatherEnds(all).flatMap((record) =>
          record.type === 'end' ? [record] : [...endsIn(record)],
        )
        const byXid = (left: { xid: string }, right: { xid: string }) => (left.xid < right.xid ? -1 : 1)
        expect(told.toSorted(byXid)).toEqual(all.toSorted(byXid))
      }),
    )
  })

  it('can be read back, and no record reaches over a wide gap', () => {
    fc.assert(
      fc.property(ends, (all) => {
        for (const record of gatherEnds(all)) {
          expect(decodeRecord(JSON.stringify(record))).toEqual(record)
          if (record.type === 'ends') expect(Math.max(...gapsIn(record))).toBeLessThanOrEqual(8)
        }
      }),
    )
  })

  it('are as few records as hold them within the bounds', () => {
    const [within] = OPENINGS
    const sequences = Array.from({ length: 3 * ENDS_SPAN_MAX }, (_, index) => index + 1)
    const all = sequences.map((sequence) => end(`${within}.${sequence}` as Xid))
    expect(gatherEnds(all)).toHaveLength(3)
    expect(gatherEnds(all.filter((_, index) => index % 8 === 0))).toHaveLength(3)
    expect(gatherEnds(all.slice(0, 90).filter((_, index) => index % 9 === 0))).toHaveLength(10)
  })

  it('hold one that is told twice once', () => {
    const told = end(`${OPENINGS[0]}.7` as Xid)
    const other = end(`${OPENINGS[0]}.9` as Xid)
    expect(gatherEnds([told, told])).toEqual([told])
    expect(gatherEnds([told, other, told])).toMatchObject([
      {
        ends: [
          [7, 3],
          [9, 3],
        ],
      },
    ])
  })
})

function gapsIn({ ends }: EndsRecord): readonly number[] {
  return ends.slice(1).map(([sequence], index) => sequence - (ends[index]?.[0] ?? 0))
}
