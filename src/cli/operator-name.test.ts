import { hostname } from 'node:os'
import { expect, it } from 'vitest'
import { operatorName } from './operator-name.ts'

it('is who asked for it, on which machine', () => {
  expect(operatorName({ SUDO_USER: 'alice' })).toBe(`alice@${hostname()}`)
  expect(operatorName({})).toMatch(/^[\x21-\x7e]+@[\x21-\x7e]+$/)
})

it('can always be sent', () => {
  expect(operatorName({ SUDO_USER: 'zoë doe\n' })).toMatch(/^zo\?\?doe\?@/)
  expect(operatorName({ SUDO_USER: 'x'.repeat(200) })).toHaveLength(100)
})
