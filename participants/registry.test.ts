import { expect, it } from 'vitest'
import { BUILT_IN_KINDS, isBuiltInKind, openParticipant } from './registry.ts'
import { closing, temporaryFile } from './testing/kit.ts'

it('opens each built-in kind', async () => {
  expect(BUILT_IN_KINDS).toEqual(['sqlite', 'offsets'])
  for (const kind of BUILT_IN_KINDS) {
    const participant = closing(openParticipant(kind, { file: temporaryFile('participant.db') }))
    expect(await participant.describe()).toMatchObject({ kind, keepsWitnesses: true })
  }
})

it('refuses another kind, and names those there are', () => {
  expect(isBuiltInKind('toString')).toBe(false)
  expect(() => openParticipant('toString', { file: 'x' })).toThrow(
    '"toString" is not a kind of participant that is built in: use sqlite or offsets',
  )
})

it('refuses options that a kind does not take', () => {
  expect(() => openParticipant('offsets', { file: 'x', statements: {} })).toThrow(/takes no statements/)
  expect(() => openParticipant('sqlite', { file: 'x', statements: { end: 'COMMIT' } })).toThrow(
    /"end" begins with COMMIT/,
  )
})
