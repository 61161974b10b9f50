/** What the README shows as the code of an example is that code: CI runs it there (recovery-tests/examples). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const SHOWN = /<!-- the code of (\S+) -->\n+```ts\n([\s\S]*?)\n```/g

/** Without the indentation, which depends on where it stands. */
function linesOf(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .join('\n')
}

const shown = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(SHOWN)]

it('the README shows the code of an example', () => {
  expect(shown.length).toBeGreaterThan(0)
})

it.each(shown.map(([, file = '', code = '']) => ({ file, code })))('$file', ({ file, code }) => {
  expect(linesOf(readFileSync(join(ROOT, file), 'utf8'))).toContain(linesOf(code))
})
