import { describe, expect, it } from 'vitest'
import { sharesOf } from './limits.ts'

describe('the shares of the connections', () => {
  it.each([
    [3, { work: 1, side: 1, kill: 1 }],
    [4, { work: 2, side: 1, kill: 1 }],
    [16, { work: 12, side: 3, kill: 1 }],
    [100, { work: 82, side: 17, kill: 1 }],
  ])('of %i', (poolSize, shares) => {
    expect(sharesOf(poolSize)).toEqual(shares)
  })

  it.each([2, 0, -1, 3.5, Number.NaN])('of %s are refused', (poolSize) => {
    expect(() => sharesOf(poolSize)).toThrow(/pool_size of .* can not work/)
  })
})
