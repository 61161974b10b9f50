import { join } from 'node:path'
import { expect, it } from 'vitest'
import { examplesOf, readExamples } from './examples.ts'

const ROOT = join(import.meta.dirname, '../..')
const CALL = '```ts\nawait coordinator.close()\n```\n'

it('reads the pages', () => {
  const places = readExamples(ROOT).map(({ place }) => place.replace(/:\d+$/, ''))
  expect(new Set(places)).toContain('README.md')
})

it('takes a module as it stands, and says where', () => {
  expect(examplesOf('page.md', "Text\n\n```ts\nimport { a } from 'b'\na()\n```\n", ROOT)).toEqual([
    { place: 'page.md:3', source: "import { a } from 'b'\na()\n" },
  ])
})

it('takes a part with what its reader has by then, which another comment is not', () => {
  expect(
    examplesOf('page.md', `<!-- given: declare const coordinator: C -->\n\n${CALL}`, ROOT)[0]?.source,
  ).toBe('await coordinator.close()\ndeclare const coordinator: C')
  expect(() => examplesOf('page.md', `<!-- given: a -->\nText\n${CALL}`, ROOT)).toThrow('imports nothing')
})

it('takes the whole example for its part', () => {
  const [example] = examplesOf('page.md', `<!-- the code of LICENSE -->\n\n${CALL}`, ROOT)
  expect(example?.source).toContain('Apache License')
})

it('refuses what nobody can try', () => {
  expect(() => examplesOf('page.md', CALL, ROOT)).toThrow('page.md:1: this ```ts block imports nothing')
})
