import { describe, expect, it } from 'vitest'
import { durationJson, formatAge, formatDuration, formatTime, parseDuration } from './durations.ts'

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['5m', 300_000],
    ['7d', 604_800_000],
    ['0s', 0],
  ])('%s is %d ms', (text, durationMs) => {
    expect(parseDuration('--timeout', text)).toBe(durationMs)
  })

  it.each(['', '30', 's', '-1s', '1 s', '30S', '1e3s', '30sec', '1h30m', '99999999d'])(
    'refuses %j',
    (text) => {
      expect(() => parseDuration('--timeout', text)).toThrow(
        expect.objectContaining({
          code: 'USAGE',
          message: expect.stringContaining('--timeout takes a duration'),
        }),
      )
    },
  )
})

it.each([
  [0, '0 ms'],
  [6.4, '6 ms'],
  [999.4, '999 ms'],
  [1_449, '1.4s'],
  [9_999, '9.9s'],
  [74_900, '74s'],
  [119_999, '119s'],
  [120_000, '2m'],
  [200_000, '3m 20s'],
  [11_520_000, '3h 12m'],
  [187_200_000, '2d 4h'],
  [-5, '0 ms'],
])('formats %d ms as %s', (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text)
})

it('counts an age in whole seconds', () => {
  expect([formatAge(-1), formatAge(900), formatAge(9_999), formatAge(74_000)]).toEqual([
    '0s',
    '0s',
    '9s',
    '74s',
  ])
})

it('writes JSON durations as protobuf does', () => {
  expect([durationJson(3_000), durationJson(250), durationJson(74_001)]).toEqual(['3s', '0.250s', '74.001s'])
})

it('tells the date of a time that is not of today', () => {
  const noon = new Date(2026, 10, 21, 12, 0, 0, 0).getTime()
  expect(formatTime(new Date(2026, 10, 21, 9, 2, 11, 41).getTime(), noon)).toBe('09:02:11.041')
  expect(formatTime(new Date(2026, 10, 20, 23, 59, 59, 999).getTime(), noon)).toBe('2026-11-20 23:59:59.999')
})
