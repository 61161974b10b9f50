import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Break } from '../sdk/conformance/testing/model-breaks.ts'
import { ModelParticipant } from '../sdk/conformance/testing/model-participant.ts'
import { type CliResult, runCli } from './testing/run-cli.ts'

let model: ModelParticipant
let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pledged-conformance-cli-'))
})

afterEach(async () => {
  await model?.[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
})

async function ask(args: readonly string[], ...breaks: readonly Break[]): Promise<CliResult> {
  model = new ModelParticipant({ breaks })
  await model.start()
  return await runCli(['conformance', model.address, '--work', 'put {n}', ...args])
}

const CASES = ['--case', 'commit', '--case', 'commit-of-nothing']

describe('pledged conformance', () => {
  it('says what it saw of each rule, and that none is broken', async () => {
    const { exitCode, stdout, stderr } = await ask(CASES)
    expect(stdout).toMatch(/^ok {8}8 {2}commit {2}.*BRANCH_RESULT_DONE$/m)
    // Two more run in any case: the others rest on them.
    expect(stdout).toMatch(/^4 passed, 0 failed and \d+ skipped/m)
    expect(stdout).not.toContain('vote-yes')
    expect(stderr).toContain('without --restart-command nothing is killed')
    expect(exitCode).toBe(0)
  })

  it('ends with what to fix, and with 1', async () => {
    const { exitCode, stdout } = await ask(CASES, 'an unknown commit is done')
    const text = stripVTControlCharacters(stdout)
    expect(text).toMatch(/^FAILED +14 +commit-of-nothing +see below$/m)
    const told = text.slice(text.indexOf('\nFAILED  14 commit-of-nothing (safety)'))
    expect(told.match(/^(?:rule|why|seen|do)(?= )/gm)).toEqual(['rule', 'why', 'seen', 'do'])
    expect(exitCode).toBe(1)
  })

  it('prints one document with --json', async () => {
    const { exitCode, stdout, stderr } = await ask([...CASES, '--json'], 'an unknown commit is done')
    const report = JSON.parse(stdout) as Record<string, unknown>
    expect(report).toMatchObject({
      address: model.address,
      branch: 'conformance',
      participant: { kind: 'model', keeps_witnesses: true, one_phase: true },
      failed: 1,
      to_fix: ['commit-of-nothing'],
      left: [],
    })
    expect(report['cases']).toContainEqual(
      expect.objectContaining({ number: 14, name: 'commit-of-nothing', weight: 'safety', result: 'failed' }),
    )
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' })
  })

  it('takes work from a file, as bytes', async () => {
    const file = join(directory, 'work')
    writeFileSync(file, 'refuse {n}')
    const { stdout } = await ask(['--refused-work', `@${file}`, '--case', 'refused-work'])
    expect(stdout).toMatch(/^ok +4 +refused-work +"refused"$/m)
  })

  it('tells of a restart command that fails', async () => {
    const { exitCode, stdout } = await ask(['--restart-command', 'exit 3', '--case', 'crash-after-yes'])
    expect(stdout).toMatch(/the restart command exited with 3/)
    expect(exitCode).toBe(1)
  })

  it.each([
    { address: 'nowhere', args: [], message: /the participant's address is "nowhere": expected HOST:PORT/ },
    { args: ['--conflicting-work', 'x'], message: /--conflicting-work is given twice/ },
    { args: ['--case', 'nonsense'], message: /--case nonsense is not a case; there are describe, / },
    { args: ['--work', '@/no/such/file'], message: /The file can't be read/ },
    { args: ['--branch', 'No Name'], message: /A name has 1 to 32/ },
  ])('refuses a mistake on the command line: $args', async ({ address = '127.0.0.1:1', args, message }) => {
    const { exitCode, stdout, stderr } = await runCli(['conformance', address, ...args])
    expect(stderr).toMatch(message)
    expect({ exitCode, stdout }).toEqual({ exitCode: 64, stdout: '' })
  })

  it('says so where nothing answers', async () => {
    const { exitCode, stderr } = await runCli(['conformance', '127.0.0.1:1', '--timeout', '200ms'])
    expect(stderr).toMatch(/nothing answers at 127\.0\.0\.1:1 \(connection refused\)/)
    expect(exitCode).toBe(69)
  })
})
