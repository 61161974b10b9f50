import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isForegroundStat } from './terminal-group.ts'

describe('the foreground of a terminal', () => {
  it.each([
    ['is where the groups agree', '12 (node) S 1 12 10 34816 12 4194560', true],
    ['is not where another group has the terminal', '12 (node) S 1 12 10 34816 77 4194560', false],
    ['is not where there is no terminal', '12 (node) S 1 12 10 0 -1 4194560', false],
    ['is found behind any name', '12 (a) b) (c) S 1 12 10 34816 12 4194560', true],
  ])('%s', (_what, stat, isForeground) => {
    expect(isForegroundStat(stat)).toBe(isForeground)
  })

  it('is what the system says: in a terminal of its own, and without one', () => {
    const source = `import { isInForeground } from ${JSON.stringify(join(import.meta.dirname, 'terminal-group.ts'))}
      process.stdout.write(String(isInForeground()))`
    const node = [process.execPath, '--input-type=module', '-e', source]
    const quoted = node.map((word) => `'${word}'`).join(' ')
    expect(spawnSync('script', ['-qec', quoted, '/dev/null'], { encoding: 'utf8' }).stdout).toContain('true')
    expect(spawnSync('setsid', ['--wait', ...node], { encoding: 'utf8' }).stdout).toBe('false')
  })
})
