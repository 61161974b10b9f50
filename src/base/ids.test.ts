import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  compareXids,
  drawEpoch,
  drawLogId,
  formatXid,
  isParticipantName,
  parseXid,
  tryParseXid,
} from './ids.ts'
import { systemRandom } from './ports.ts'

describe('xids', () => {
  it('are read as they were written, and fit XA and PostgreSQL', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 999_999_999 }),
        fc.integer({ min: 1, max: 999_999_999_999_999 }),
        (number, sequence) => {
          const logId = drawLogId(systemRandom)
          const epoch = drawEpoch(number, systemRandom)
          const xid = formatXid({ logId, epoch, sequence })
          expect(parseXid(xid)).toEqual({ logId, epoch, epochNumber: number, sequence })
          expect(`pledged/${xid}`.length).toBeLessThanOrEqual(64)
        },
      ),
    )
  })

  it.each([
    '',
    'k3f9qa7m2xw4',
    'k3f9qa7m2xw4.7-q3f9',
    'k3f9qa7m2xw4.7-q3f9.0',
    'k3f9qa7m2xw4.07-q3f9.1',
    'k3f9qa7m2xw4.7-q3f9.1 ',
    'K3F9QA7M2XW4.7-q3f9.1',
    'k3f9qa7m2xwl.7-q3f9.1',
    'k3f9qa7m2xw4.7-q3f.1',
    'k3f9qa7m2xw4.7-q3f9.9999999999999999',
  ])('%j is none', (text) => {
    expect(tryParseXid(text)).toBeUndefined()
    expect(() => parseXid(text)).toThrow(/expected LOG.EPOCH.SEQUENCE/)
  })

  it('are ordered by epoch, then by sequence', () => {
    const at = (epochNumber: number, sequence: number) => ({ epochNumber, sequence })
    expect(compareXids(at(1, 9), at(2, 1))).toBeLessThan(0)
    expect(compareXids(at(2, 2), at(2, 1))).toBeGreaterThan(0)
    expect(compareXids(at(2, 2), at(2, 2))).toBe(0)
  })
})

describe('participant names', () => {
  it.each(['a', 'sink', 'sink-2', '0', 'a'.repeat(32)])('%j is one', (name) => {
    expect(isParticipantName(name)).toBe(true)
  })
  it.each(['', '-a', 'A', 'a b', 'a/b', 'ä', 'a'.repeat(33), 'a\n'])('%j is none', (name) => {
    expect(isParticipantName(name)).toBe(false)
  })
})
