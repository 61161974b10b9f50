import { expect, it } from 'vitest'
import { regroupNewest } from './regroup.ts'

const OLD = '## 0.1.0, 2026-11-01\n\n### Safety\n\n- Presumed abort.\n'

function written(entries: string): string {
  return `# Changes\n\nEach version has three parts.\n\n## 0.2.0\n\n${entries}\n\n${OLD}`
}

it('gathers the notes by what they are about, and leaves older versions alone', () => {
  const changelog = written(
    '### Minor Changes\n\n- 1a2b3c4: Internals: the log is\n  read once.\n- Features: metrics.\n\n### Patch Changes\n\n- 1a2b3c4: Safety: a copy is refused.',
  )
  expect(regroupNewest(changelog, '2026-12-01')).toBe(
    `# Changes\n\nEach version has three parts.\n\n## 0.2.0, 2026-12-01\n\n### Safety\n\n- A copy is refused.\n\n### Features\n\n- Metrics.\n\n### Internals\n\n- The log is\n  read once.\n\n${OLD}`,
  )
})

it('leaves out a part that has nothing', () => {
  expect(regroupNewest(written('### Patch Changes\n\n- Safety: one.'), '2026-12-01')).not.toContain(
    'Features',
  )
})

it('refuses a note that says no part', () => {
  expect(() => regroupNewest(written('### Patch Changes\n\n- 1a2b3c4: mended.'), '2026-12-01')).toThrow(
    "a note doesn't say where it belongs; begin it with Safety: or Features: or Internals:\n  - 1a2b3c4: mended.",
  )
})

it('refuses a changelog in which nothing is new', () => {
  expect(() => regroupNewest(`# Changes\n\n${OLD}`, '2026-12-01')).toThrow('no new version')
})
