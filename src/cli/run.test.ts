/** What `pledged run` says before it starts anything; recovery-tests/sidecar has the rest. */
import { describe, expect, it } from 'vitest'
import { runCli } from './testing/run-cli.ts'

describe('pledged run', () => {
  it.each([
    ['without --', ['run', 'node', 'app.js'], /after --/],
    ['with a word before --', ['run', 'node', '--', 'app.js'], /after --/],
    ["with the application's flag before --", ['run', 'node', '--watch'], /unknown option '--watch'/],
    ['with nothing', ['run'], /command/],
    ['with nothing after --', ['run', '--'], /command/],
    ['with --address', ['run', '--address', 'unix:/x', '--', 'true'], /--listen/],
    ['with --token-file', ['run', '--token-file', 'x', '--', 'true'], /PLEDGED_TOKEN_FILE/],
    ['on a network address', ['run', '--listen', '127.0.0.1:0', '--', 'true'], /unix:PATH/],
    ['with a wrong duration', ['run', '--stop-timeout', 'soon', '--', 'true'], /--stop-timeout/],
  ])('fails with 125 %s', async (_what, args, sentence) => {
    const { exitCode, stdout, stderr } = await runCli(args)
    expect({ exitCode, stdout }).toEqual({ exitCode: 125, stdout: '' })
    expect(stderr).toMatch(sentence)
  })

  it('tells its failures as JSON', async () => {
    const { exitCode, stderr } = await runCli(['--json', 'run', 'true'])
    expect(exitCode).toBe(125)
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'USAGE' } })
  })

  it('shows its help, and the exit codes that are its own', async () => {
    const { exitCode, stdout } = await runCli(['run', '--help'])
    expect(exitCode).toBe(0)
    for (const text of ['-- COMMAND', '--stop-timeout', '125', '126', '127', '128 + n']) {
      expect(stdout).toContain(text)
    }
  })

  it("leaves the other commands' exit codes as they are", async () => {
    expect((await runCli(['serve', '--nothing'])).exitCode).toBe(64)
  })
})
