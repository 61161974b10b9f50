/**
 * The terminal session that the design shows to a newcomer: one transaction in doubt, from the demo that leaves it to
 * the check that finds nothing any more. The very commands, in their order; times and xids are masked.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Left } from './left.ts'

const WITHIN = { timeout: 120_000, interval: 1_000 }

let left: Left

beforeAll(async () => {
  left = await Left.create()
})

afterAll(() => left[Symbol.asyncDispose]())

function masked(text: string): string[] {
  return text
    .replaceAll(/(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d(\.\d{3})?/g, 'TIME')
    .replaceAll(/[0-9a-z]{12}\.1-[0-9a-z]{4}\.1\b/g, 'XID')
    .replaceAll(/\b\d+s( ago)?\b/g, 'AGE')
    .replaceAll(/\b([2-9]|\d\d+) (times|attempts)\b/g, 'N $2')
    .replaceAll(/\+\d+ ms/g, '+MS')
    .trimEnd()
    .split('\n')
}

describe('the session', () => {
  it('pledged demo --leave-in-doubt', async () => {
    const { code, stdout, stderr } = await left.demo()
    expect(code, stderr).toBe(0)
    const lines = masked(stdout)
    expect(lines.slice(0, 4)).toEqual([
      '50 flights -> sink.db + offsets.db, one transaction',
      'decided  commit: XID; the client was told "committed"',
      `left     participant "offsets" stopped after its vote; daemon at ${left.address}`,
      'next     pledged check',
    ])
    expect(lines).toContain('         pledged participant serve offsets --name offsets --file offsets.db')
    expect(stdout).toMatch(/^stop {5}kill \d+; the files are in /m)
  })

  it('pledged check: critical, when it has lasted for a minute', async () => {
    await expect.poll(async () => (await left.run('check')).code, WITHIN).toBe(2)
    const { stdout, stderr } = await left.run('check')
    expect(stdout).toMatch(
      /^CRITICAL 1 in doubt, oldest (\d+)s \(offsets\) \| in_doubt=1 oldest=\1s;30;60\n$/,
    )
    expect(stderr).toBe('')
  })

  it('pledged tx list --in-doubt', async () => {
    const { code, stdout } = await left.run('tx', 'list', '--in-doubt')
    expect(code).toBe(0)
    expect(masked(stdout).map((line) => line.split('\t'))).toEqual([
      ['XID', 'STATE', 'AGE', 'WAITING FOR', 'LAST ERROR'],
      ['XID', 'committing', 'AGE', 'offsets', 'connection refused (N times)'],
    ])
  })

  it('pledged tx show 1.1', async () => {
    const { code, stdout } = await left.run('tx', 'show', '1.1')
    expect(code).toBe(0)
    const [, ...lines] = masked(stdout)
    expect(lines.slice(0, 7)).toEqual([
      'decision commit, forced TIME; whoever asks is told "committed"',
      '  sink     yes  committed  +MS',
      expect.stringMatching(
        /^ {2}offsets {2}yes {2}IN DOUBT {3}N attempts, next in AGE: connection refused; holds /,
      ),
      'why   "offsets" pledged, then went away. It can\'t abort any more.',
      'do    start it, or see that it can be reached: delivery is automatic. Nothing is lost by waiting.',
      '      gone for ever? pledged tx forget-branch 1.1 --participant offsets --reason TEXT',
      'timeline',
    ])
  })

  it('pledged tx resolve 1.1 --abort --reason "tired"', async () => {
    const { code, stdout, stderr } = await left.run('tx', 'resolve', '1.1', '--abort', '--reason', 'tired')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(masked(stderr)).toEqual(['refused: commit was decided at TIME and "sink" has committed.'])
  })

  it('pledged participant serve offsets --name offsets --file offsets.db &', async () => {
    expect(left.count('offsets.db', 'SELECT count(*) FROM pledged_in_doubt')).toBe(1)
    const offsets = left.serveOffsets()
    await expect.poll(() => offsets.said, WITHIN).toContain('decided')
    const lines = offsets.said.trimEnd().split('\n')
    expect(lines.slice(0, 3)).toEqual([
      expect.stringMatching(/^offsets attached to /),
      'offsets: 1 prepared',
      'offsets: 1 decided: 1 committed, 0 aborted',
    ])
  })

  it('pledged check: OK', async () => {
    await expect.poll(async () => (await left.run('check')).stdout, WITHIN).toBe('OK 0 in doubt\n')
    expect((await left.run('check')).code).toBe(0)
  })

  it('and the two databases agree', () => {
    expect(left.count('sink.db', 'SELECT count(DISTINCT event) FROM events')).toBe(50)
    expect(left.count('offsets.db', 'SELECT position FROM offsets')).toBe(50)
    expect(left.count('offsets.db', 'SELECT count(*) FROM pledged_in_doubt')).toBe(0)
  })
})

it('leaves alone what is in the folder already', async () => {
  const { code, stdout, stderr } = await left.run('demo', '--leave-in-doubt')
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toMatch(/^pledged: sink\.db, offsets\.db, .* are in .* already, .*--keep\n$/)
})
