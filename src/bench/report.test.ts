import { describe, expect, it } from 'vitest'
import { formatReport, spreadOf } from './report.ts'

describe('a spread', () => {
  it('is the middle of the rounds, and their ends', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, least: 1, greatest: 3 })
    expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, least: 1, greatest: 4 })
    expect(spreadOf([1.23456])).toEqual({ median: 1.235, least: 1.235, greatest: 1.235 })
  })

  it('shows in the report beside its name', () => {
    const report = {
      scenario: 'null',
      inflight: 64,
      rounds: 3,
      seconds_per_run: 2,
      ratios: { tx_per_s_over_calls_per_s: spreadOf([4, 5, 6]) },
      figures: {},
    }
    expect(formatReport(report)).toMatch(/tx_per_s_over_calls_per_s +5 {3}\(4 to 6\)/)
  })
})
