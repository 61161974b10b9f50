import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Xid } from '../../base/ids.ts'
import { decodeRecord } from '../record-codec.ts'
import { end } from '../sample-records.ts'
import { ENDS_SPAN_MAX, endsIn } from '../stored-record.ts'
import { gatherEnds } from './gathered-ends.ts'

const OPENINGS = ['k3f9qa7m2xw4.7-q3f9', 'k3f9qa7m2xw4.8-q3f9', 'aaaaaaaaaaaa.7-q3f9']

describe('gathered ends', () => {
  const ends = fc
    .uniqueArray(fc.tuple(fc.constantFrom(...OPENINGS), fc.integer({ min: 1, max: 6_000 })), {
      selector: String,
      maxLength: 60,
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

  it('are as few records as may be, each of which can be read back', () => {
    fc.assert(
      fc.property(ends, (all) => {
        const gathered = gatherEnds(all)
        for (const record of gathered) expect(decodeRecord(JSON.stringify(record))).toEqual(record)
        const stretches = new Set(all.map(({ xid }) => stretchOf(xid)))
        expect(gathered.length).toBeLessThanOrEqual(stretches.size)
      }),
    )
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

/** Of a transaction: its opening, and which part of the sequences it is in. */
function stretchOf(xid: Xid): string {
  const [logId, epoch, sequence] = xid.split('.')
  return `${logId} ${epoch} ${Math.floor(Number(sequence) / ENDS_SPAN_MAX)}`
}
