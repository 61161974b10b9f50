import { CommanderError } from 'commander'
import { expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import type { Environment } from './environment.ts'
import { reportFailure } from './failure-report.ts'

function report(error: unknown, options: { args?: string[]; environment?: Environment } = {}) {
  const lines: string[] = []
  const { args = [], environment = {} } = options
  const exitCode = reportFailure(error, { terminal: { note: (line) => lines.push(line) }, environment, args })
  return { exitCode, text: lines.join('\n') }
}

const cause = new Error('EIO')
const refused = new PledgedError('LOG_UNWRITABLE', "the log can't be written: restart", { cause })

it('is the sentence alone', () => {
  expect(report(refused)).toEqual({ exitCode: 74, text: "pledged: the log can't be written: restart" })
})

it('is an object with --json', () => {
  const { exitCode, text } = report(refused, { args: ['status', '--json'] })
  expect(exitCode).toBe(74)
  expect(JSON.parse(text)).toEqual({
    error: { code: 'LOG_UNWRITABLE', message: "the log can't be written: restart" },
  })
})

it('asks for a report of what must not happen, and shows no stack', () => {
  const { exitCode, text } = report(new TypeError('x is undefined'))
  expect(exitCode).toBe(70)
  expect(text).toBe(
    'pledged: a bug in Pledged: x is undefined; please report it, with what PLEDGED_DEBUG=1 adds',
  )
})

it('shows the stacks, down to the cause, with PLEDGED_DEBUG', () => {
  const { text } = report(refused, { environment: { PLEDGED_DEBUG: '1' } })
  expect(text).toMatch(/^ +at /m)
  expect(text).toContain('caused by Error: EIO')
})

it('points to the help, in one sentence', () => {
  const error = new CommanderError(
    1,
    'commander.invalidArgument',
    "error: option '--kills' is invalid. Say how many.",
  )
  expect(report(error)).toEqual({
    exitCode: 64,
    text: "pledged: option '--kills' is invalid. Say how many; --help shows what there is",
  })
})
