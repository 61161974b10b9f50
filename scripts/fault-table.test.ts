/** No row of the table in recovery-tests/README.md without a test that is there, and no suite without a row. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { exists, readRows, simulatedFaults, suites } from './fault-table/table.ts'

const ROOT = join(import.meta.dirname, '..')

describe('the table of faults', () => {
  test('has rows', () => {
    expect(readRows(ROOT).length).toBeGreaterThan(20)
  })

  test.each(readRows(ROOT).map((row) => [row.fault, row.tests] as const))('%s', (_fault, tests) => {
    expect(tests.length).toBeGreaterThan(0)
    expect(tests.filter((one) => !exists(ROOT, one))).toEqual([])
  })

  test('has a row for every suite', () => {
    const named = new Set(readRows(ROOT).flatMap(({ tests }) => tests.map((one) => one.split('/')[0])))
    expect(suites(ROOT).filter((suite) => !named.has(suite))).toEqual([])
  })

  test('has a row for every fault of the simulator', () => {
    const named = new Set(readRows(ROOT).flatMap(({ tests }) => tests))
    expect(simulatedFaults().filter((fault) => !named.has(fault))).toEqual([])
  })

  test.each([
    'kill-10',
    'fault pigs-fly',
    '--break nothing',
    'real-databases/nothing',
    'src/base/nothing.test.ts',
  ])('would see that there is no %s', (name) => {
    expect(exists(ROOT, name)).toBe(false)
  })
})
