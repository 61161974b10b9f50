import { describe, expect, it } from 'vitest'
import type { Xid } from '../base/ids.ts'
import { RequestIndex } from './request-index.ts'

const request = (requestId: string) => ({ caller: 'app', requestId, digest: 'd' })
const xid = (sequence: number) => `k3f9qa7m2xw4.1-aaaa.${sequence}` as Xid

describe('the index of requests', () => {
  it('gives up the oldest that have ended, and then says that the log may have them', () => {
    const index = new RequestIndex(2, false)
    for (const sequence of [1, 2, 3, 4, 5]) {
      const name = request(`r${sequence}`)
      index.add(name, { attempt: 1, xid: xid(sequence), outcome: 'pending' })
      expect(index.mustAskLog('app', 'unheard-of')).toBe(false)
      index.settle(name, xid(sequence), 'committed')
      index.release(name, xid(sequence))
    }
    for (const given of ['r1', 'r2']) {
      expect(index.get('app', given)).toBeUndefined()
      expect(index.mustAskLog('app', given)).toBe(true)
    }
    // At least so many of the youngest are there, and at most twice as many.
    for (const kept of ['r4', 'r5']) expect(index.get('app', kept)).toBeDefined()
  })

  it('counts one that is asked for again among the youngest, however often that happens', () => {
    const index = new RequestIndex(2, false)
    const use = (name: string, sequence: number): void => {
      index.add(request(name), { attempt: sequence, xid: xid(sequence), outcome: 'pending' })
      index.settle(request(name), xid(sequence), 'committed')
      index.release(request(name), xid(sequence))
    }
    use('again', 1)
    use('left', 2)
    for (let sequence = 3; sequence < 3_000; sequence += 1) use('again', sequence)
    expect(index.get('app', 'left')).toBeDefined()
    for (let sequence = 3_000; sequence < 3_004; sequence += 1) {
      use(`new ${sequence}`, sequence)
      use('again', sequence)
    }
    expect(index.get('app', 'left')).toBeUndefined()
    expect(index.get('app', 'again')).toBeDefined()
    expect(index.get('app', 'new 3003')).toBeDefined()
  })

  it('never gives up one with an attempt that the log does not have', () => {
    const index = new RequestIndex(1, false)
    const crowd = (from: number): void => {
      for (let sequence = from; sequence < from + 10; sequence += 1) {
        index.add(request(`r${sequence}`), { attempt: 1, xid: xid(sequence), outcome: 'committed' })
        index.release(request(`r${sequence}`), xid(sequence))
      }
    }
    index.add(request('r'), { attempt: 1, xid: xid(1), outcome: 'aborted' })
    index.add(request('r'), { attempt: 2, xid: xid(2), outcome: 'aborted' })
    index.release(request('r'), xid(1))
    crowd(10)
    expect(index.get('app', 'r')).toBeDefined()
    index.release(request('r'), xid(2))
    crowd(20)
    expect(index.get('app', 'r')).toBeUndefined()
    expect(index.mustAskLog('app', 'r')).toBe(true)
  })

  it('keeps a bounded number of attempts of one request, and the newest of them', () => {
    const index = new RequestIndex(2, false)
    for (let attempt = 1; attempt <= 1_000; attempt += 1) {
      index.add(request('r'), { attempt, xid: xid(attempt), outcome: 'pending' })
      index.settle(request('r'), xid(attempt), 'aborted')
      index.release(request('r'), xid(attempt))
    }
    const attempts = index.get('app', 'r')?.attempts ?? []
    expect(attempts.length).toBeLessThan(20)
    expect(attempts.at(-1)?.attempt).toBe(1_000)
  })

  it('drops no attempt that committed, or that the log does not have', () => {
    const index = new RequestIndex(2, false)
    index.add(request('r'), { attempt: 1, xid: xid(1), outcome: 'aborted' })
    index.add(request('r'), { attempt: 2, xid: xid(2), outcome: 'committed' })
    index.release(request('r'), xid(2))
    for (let attempt = 3; attempt <= 100; attempt += 1) {
      index.add(request('r'), { attempt, xid: xid(attempt), outcome: 'aborted' })
      index.release(request('r'), xid(attempt))
    }
    const kept = index.get('app', 'r')?.attempts.map(({ attempt }) => attempt)
    expect(kept).toEqual(expect.arrayContaining([1, 2, 100]))
  })

  it('asks the log once for a name that it does not have', () => {
    const index = new RequestIndex(2, true)
    expect(index.mustAskLog('app', 'r')).toBe(true)
    index.addMissing('app', 'r')
    expect(index.mustAskLog('app', 'r')).toBe(false)
    expect(index.mustAskLog('app', 'r')).toBe(true)
  })
})
