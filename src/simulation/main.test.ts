import { spawnSync } from 'node:child_process'
import { extname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const MAIN = join(import.meta.dirname, `main${extname(import.meta.filename)}`)

function run(...flags: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...flags], { encoding: 'utf8' })
  return { status, stderr, lines: stdout.trimEnd().split('\n') }
}

describe('simulate', () => {
  it('ends with one line of JSON', () => {
    const { status, lines } = run('--seed', '7', '--histories', '5')
    const summary = JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>
    expect(status).toBe(0)
    expect(summary).toMatchObject({ seed: 7, histories: 5, violations: 0 })
    const keys = ['seed', 'histories', 'transactions', 'committed', 'aborted', 'unknown', 'crashes', 'faults']
    expect(Object.keys(summary)).toEqual(expect.arrayContaining(keys))
  })

  it('exits 1 on a violation, with the command that replays it', () => {
    const { status, lines } = run('--seed', '7', '--histories', '50', '--break', 'commit-before-sync')
    expect(status).toBe(1)
    expect(lines.join('\n')).toMatch(
      /replay: npm run simulate -- --seed 7 --only \d+ --break commit-before-sync/,
    )
  })

  it('lists the breaks, one a line', () => {
    const { status, lines } = run('--break', 'list')
    expect(status).toBe(0)
    expect(lines.length).toBeGreaterThanOrEqual(5)
    expect(lines.map((line) => line.split(' ')[0])).toContain('unknown-taken-for-done')
  })

  it.each([
    [['--frequency', '3'], /--frequency/],
    [['--histories', 'many'], /--histories is "many": expected a whole number/],
    [['--break', 'nothing'], /there is no break "nothing": see --break list/],
  ])('refuses %j with a sentence and 64', (flags, sentence) => {
    const { status, stderr } = run(...flags)
    expect(status).toBe(64)
    expect(stderr).toMatch(sentence)
    expect(stderr).not.toMatch(/\n\s+at /)
  })
})
