import { join } from 'node:path'
import { expect, it } from 'vitest'
import { objectionsToNotes, objectionToNote } from './notes.ts'

const HEAD = '---\n"pledged": patch\n---\n\n'

it('each note of the next release says where it belongs', () => {
  expect(objectionsToNotes(join(import.meta.dirname, '../..'))).toEqual([])
})

it('would find one that does not', () => {
  expect(objectionToNote('good.md', `${HEAD}Safety: refused.`)).toEqual([])
  expect(objectionToNote('bad.md', `${HEAD}Mended. Safety: no.`)).toEqual([
    ".changeset/bad.md doesn't say where it belongs; begin it with Safety: or Features: or Internals:",
  ])
})
