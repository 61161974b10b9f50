import { describe, expect, test } from 'vitest'
import type { Xid } from '../base/ids.ts'
import { decodeRecord, encodeRecord } from './record-codec.ts'
import { aborted, decision, end, heuristic, participant } from './sample-records.ts'
import type { StoredRecord } from './stored-record.ts'

const XID = 'k3f9qa7m2xw4.7-q3f9.1042' as Xid
const RECORDS: readonly StoredRecord[] = [
  decision(XID),
  decision(XID, { request: 'r', attempt: 3, readOnly: ['audit'], traceparent: '00-1' }),
  end(XID),
  aborted(XID, { request: 'r', message: 'línea\n"two"' }),
  heuristic(XID),
  participant('sink', 'file:1'),
  { type: 'operator', xid: XID, decision: 'abort', who: 'ops', why: 'tired', timeMs: 1.5 },
  { type: 'epochs', epochs: ['7-q3f9'] as never, timeMs: 1 },
  { type: 'forgotten', epochNumber: 7, sequence: 12 },
  {
    type: 'ends',
    within: 'k3f9qa7m2xw4.7-q3f9',
    ends: [
      [3, 1.5],
      [1_026, 1],
    ],
  },
]

describe('a record', () => {
  test.each(RECORDS.map((record) => [record.type, record]))(
    '%s is read as it was written, on one line',
    (_, record) => {
      const body = encodeRecord(record as StoredRecord)
      expect(body).not.toContain('\n')
      expect(decodeRecord(body)).toEqual(record)
    },
  )

  test.each(RECORDS.map((record) => [record.type, record]))(
    '%s with any field changed is damage',
    (_, record) => {
      for (const field of Object.keys(record as object)) {
        const body = JSON.stringify({ ...(record as object), [field]: { wrong: true } })
        expect(() => decodeRecord(body)).toThrow(expect.objectContaining({ code: 'LOG_DAMAGED' }))
      }
    },
  )

  test('of a required field less is damage', () => {
    for (const field of ['xid', 'branches', 'readOnly', 'owner', 'createTimeMs', 'decideTimeMs']) {
      const body = JSON.stringify({ ...decision(XID), [field]: undefined })
      expect(() => decodeRecord(body)).toThrow(expect.objectContaining({ code: 'LOG_DAMAGED' }))
    }
  })

  test.each([
    [[]],
    [[[0, 1]]],
    [[[2, 1, 1]]],
    [[[2, null]]],
    [
      [
        [3, 1],
        [2, 1],
      ],
    ],
    [
      [
        [2, 1],
        [2, 1],
      ],
    ],
    [
      [
        [3, 1],
        [1_027, 1],
      ],
    ],
  ])('of the ends %j is damage', (ends) => {
    const body = JSON.stringify({ type: 'ends', within: 'k3f9qa7m2xw4.7-q3f9', ends })
    expect(() => decodeRecord(body)).toThrow(expect.objectContaining({ code: 'LOG_DAMAGED' }))
  })

  test.each(['', '{', 'null', '[]', '7', '{}', '{"type":"toString"}', '{"type":"begin"}'])(
    '%j is damage',
    (body) => {
      expect(() => decodeRecord(body)).toThrow(expect.objectContaining({ code: 'LOG_DAMAGED' }))
    },
  )
})
