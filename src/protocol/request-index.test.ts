import { describe, expect, it } from 'vitest'
import type { Xid } from '../base/ids.ts'
import { RequestIndex } from './request-index.ts'

const request = (requestId: string) => ({ caller: 'app', requestId, digest: 'd' })
const xid = (sequence: number) => `k3f9qa7m2xw4.1-aaaa.${sequence}` as Xid

describe('the index of requests', () => {
  it('gives up the oldest that have ended, and then says that the log may have them', () => {
    const index = new RequestIndex(2, false)
    for (const sequence of [1, 2, 3]) {
      const name = request(`r${sequence}`)
      index.add(name, { attempt: 1, xid: xid(sequence), outcome: 'pending' })
      expect(index.mustAskLog('app', 'unheard-of')).toBe(false)
      index.settle(name, xid(sequence), 'committed')
      index.release(name, xid(sequence))
    }
    expect(index.get('app', 'r1')).toBeUndefined()
    expect(index.get('app', 'r3')).toBeDefined()
    expect(index.mustAskLog('app', 'r1')).toBe(true)
  })

  it('never gives up one with an attempt that the log does not have', () => {
    const index = new RequestIndex(0, false)
    index.add(request('r'), { attempt: 1, xid: xid(1), outcome: 'aborted' })
    index.add(request('r'), { attempt: 2, xid: xid(2), outcome: 'aborted' })
    index.release(request('r'), xid(1))
    expect(index.get('app', 'r')).toBeDefined()
    index.release(request('r'), xid(2))
    expect(index.get('app', 'r')).toBeUndefined()
  })

  it('asks the log once for a name that it does not have', () => {
    const index = new RequestIndex(2, true)
    expect(index.mustAskLog('app', 'r')).toBe(true)
    index.addMissing('app', 'r')
    expect(index.mustAskLog('app', 'r')).toBe(false)
    expect(index.mustAskLog('app', 'r')).toBe(true)
  })
})
