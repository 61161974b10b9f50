import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
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

  it('replays one history with its trace, step by step', () => {
    const { status, lines } = run('--seed', '7', '--only', '3')
    expect(status).toBe(0)
    expect(lines[0]).toMatch(/^\s+\d+\.\d{3} \{"type":/)
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ seed: 7, histories: 1 })
  })

  it('stops when its time is over, and names the seed that it drew', () => {
    const { status, stderr, lines } = run('--seconds', '2')
    const summary = JSON.parse(lines.at(-1) ?? '') as { seed: number; violations: number }
    expect(status).toBe(0)
    expect(stderr).toContain(`seed ${summary.seed}`)
    expect(summary.violations).toBe(0)
  })

  it('ends with what ran when it is interrupted', async () => {
    const child = spawn(process.execPath, [MAIN, '--histories', '1000000'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    child.stdout.on('data', (text: Buffer) => {
      stdout += text.toString()
    })
    // It has announced its seed: from then on it listens.
    child.stderr.once('data', () => child.kill('SIGINT'))
    const [code] = (await once(child, 'close')) as [number]
    expect(code).toBe(130)
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ violations: 0 })
  })

  it('shows what was reached, and what was not', () => {
    const { status, lines } = run('--seed', '7', '--histories', '20', '--coverage')
    expect(status).toBe(0)
    expect(lines.join('\n')).toMatch(/\d+ {2}event vote yes @ preparing\n/)
    expect(lines.join('\n')).toMatch(/not reached, and nothing says why: \d+/)
  })

  it('lists the breaks, one a line', () => {
    const { status, lines } = run('--break', 'list')
    expect(status).toBe(0)
    expect(lines.length).toBeGreaterThanOrEqual(5)
    expect(lines.map((line) => line.split(' ')[0])).toContain('unknown-taken-for-done')
  })

  it.each([
    [['--frequency', '3'], /--frequency/],
    [['--seconds', '1.5'], /--seconds is "1.5": expected a whole number/],
    [['--histories', 'many'], /--histories is "many": expected a whole number/],
    [['--break', 'nothing'], /there is no break "nothing": see --break list/],
  ])('refuses %j with a sentence and 64', (flags, sentence) => {
    const { status, stderr } = run(...flags)
    expect(status).toBe(64)
    expect(stderr).toMatch(sentence)
    expect(stderr).not.toMatch(/\n\s+at /)
  })
})
