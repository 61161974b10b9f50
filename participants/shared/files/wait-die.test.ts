import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { XID_OF_OLDER_EPOCH, XID_OF_OTHER_LOG, xid } from '../../testing/kit.ts'
import { mayWait, WaitingRoom } from './wait-die.ts'

describe('wait-die', () => {
  it('lets the older of one log wait, by epoch and then by sequence as numbers', () => {
    expect(mayWait(xid(9), xid(10))).toBe(true)
    expect(mayWait(xid(10), xid(9))).toBe(false)
    expect(mayWait(xid(9), xid(9))).toBe(false)
    expect(mayWait(XID_OF_OLDER_EPOCH, xid(1))).toBe(true)
    expect(mayWait(xid(1), XID_OF_OLDER_EPOCH)).toBe(false)
  })

  it('lets nobody wait who has no order with the holder', () => {
    expect(mayWait(XID_OF_OTHER_LOG, xid(5))).toBe(false)
    expect(mayWait(xid(5), XID_OF_OTHER_LOG)).toBe(false)
    expect(mayWait(xid(5), 'written by hand')).toBe(false)
  })

  it('never lets two wait for each other', () => {
    const anyXid = fc.constantFrom(...[1, 2, 3, 20].map(xid), XID_OF_OLDER_EPOCH, XID_OF_OTHER_LOG, '')
    fc.assert(fc.property(anyXid, anyXid, (left, right) => !(mayWait(left, right) && mayWait(right, left))))
  })

  it('lets out who waited for a holder, the oldest first, and nobody else', () => {
    const room = new WaitingRoom()
    const waiter = (sequence: number) => ({
      xid: xid(sequence),
      deadlineMs: performance.now() + 60_000,
      expired: () => expect.unreachable(),
    })
    for (const sequence of [12, 3, 7]) room.add('a', waiter(sequence))
    room.add('b', waiter(5))
    expect(room.release('a').map((out) => out.xid)).toEqual([xid(3), xid(7), xid(12)])
    expect(room.release('a')).toEqual([])
    expect(room.take(xid(5))).toHaveLength(1)
    expect(room.takeAll()).toEqual([])
  })
})
