import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Xid } from '../../base/ids.ts'
import type { LogRecord } from '../../protocol/records.ts'
import { decodeRecord } from '../record-codec.ts'
import {
  aborted,
  acknowledgement,
  audit,
  decision,
  end,
  heuristic,
  onePhase,
  participant,
} from '../sample-records.ts'
import { appendedRecord, appendLine, appendLines } from './append-lines.ts'
import { newRow } from './record-table.ts'

const XID = 'k3f9qa7m2xw4.7-q3f9.1042' as Xid
const OTHER = 'k3f9qa7m2xw4.7-q3f9.1037' as Xid

function expectKept(record: LogRecord): void {
  const line = appendLine(record)
  expect(line).not.toContain('\n')
  const { noted, row } = appendedRecord(line)
  expect(row).toEqual(newRow(record))
  expect(decodeRecord(row.body)).toEqual(record)
  expect(noted.type).toBe(record.type)
  if ('xid' in record) expect('xid' in noted && noted.xid).toBe(record.xid)
}

describe('a line', () => {
  it.each([
    decision(XID),
    decision(XID, { request: 'r', attempt: 3, readOnly: ['audit'], traceparent: '00-1' }),
    end(XID),
    aborted(XID, { request: 'r', message: 'línea\n\t"two"' }),
    heuristic(XID),
    onePhase(XID),
    acknowledgement(XID),
    participant('sink', 'file:1'),
    audit('sink'),
  ])('says all of a record: $type', (record) => expectKept(record))

  it('says all of a decision, whatever its caller and its request are called', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (caller, requestId) => {
        expectKept({ ...decision(XID), request: { caller, requestId, attempt: 1, digest: 'd1' } })
      }),
    )
  })

  it.each(['xid', 'branches', 'readOnly', 'owner', 'createTimeMs', 'decideTimeMs'])(
    'of a decision without its %s is refused by who would write it',
    (field) => {
      const line = appendLine({ ...decision(XID), [field]: undefined })
      expect(() => appendedRecord(line)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
    },
  )

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('of an end at the time %s is refused', (timeMs) => {
    expect(() => appendedRecord(appendLine(end(XID, timeMs)))).toThrow('endTimeMs is wrong')
  })
})

describe('ends', () => {
  it('come behind what is told with them, as one line', () => {
    const told = [end(OTHER), decision(XID), end(XID), heuristic(OTHER)]
    const rows = appendLines(told).map((line) => appendedRecord(line).row)
    const ends = [
      [1_037, 3],
      [1_042, 3],
    ]
    const together = { type: 'ends', within: 'k3f9qa7m2xw4.7-q3f9', ends }
    expect(rows.map(({ body }) => JSON.parse(body))).toEqual([decision(XID), heuristic(OTHER), together])
    expect(rows.at(-1)).toMatchObject({ place: { epochNumber: 7, sequence: 1_037 }, through: 1_042 })
  })

  it('of which one could not be read back are refused by who would write them', () => {
    const [line = ''] = appendLines([end(XID), end(OTHER, Number.NaN)])
    expect(() => appendedRecord(line)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  })
})
