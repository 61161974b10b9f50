import { expect, it } from 'vitest'
import { BUILT_IN_KINDS, builtInKindOf, isBuiltInKind, openParticipant } from './registry.ts'
import { closing, temporaryFile } from './testing/kit.ts'

it('opens each kind that lives in a file', async () => {
  for (const kind of ['sqlite', 'offsets'] as const) {
    const resource = { kind, file: temporaryFile('participant.db') }
    const participant = closing(openParticipant('one', resource))
    expect(await participant.describe()).toMatchObject({ kind, keepsWitnesses: true })
  }
})

it('makes each kind that lives in a database, without connecting to it', async () => {
  for (const kind of ['postgres', 'mysql'] as const) {
    const url = `${kind}://user:secret@127.0.0.1:1/nowhere`
    const participant = closing(openParticipant('one', { kind, url }))
    await expect(participant.describe()).rejects.toThrow(/^(?!.*secret)/s)
  }
})

it('knows the kinds, and refuses another', () => {
  expect(BUILT_IN_KINDS).toEqual({ sqlite: 'file', offsets: 'file', postgres: 'url', mysql: 'url' })
  expect(builtInKindOf('mysql')).toBe('mysql')
  expect(isBuiltInKind('toString')).toBe(false)
  expect(() => builtInKindOf('toString')).toThrow(
    '"toString" is not a kind of participant that is built in; there are sqlite, offsets, postgres, mysql',
  )
})

it.each([
  { kind: 'sqlite' as const, file: 'x' },
  { kind: 'postgres' as const, url: 'postgres://user@127.0.0.1:1/x' },
  { kind: 'mysql' as const, url: 'mysql://user@127.0.0.1:1/x' },
])('refuses statements of kind $kind that would end their transaction', (resource) => {
  expect(() => openParticipant('one', { ...resource, statements: { end: 'COMMIT' } })).toThrow(
    /"end" begins with COMMIT/,
  )
})
