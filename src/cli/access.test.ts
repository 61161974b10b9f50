/** Commands that ask what doesn't let everybody in. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import { ModelParticipant } from '../sdk/conformance/testing/model-participant.ts'
import { serverCredentials } from '../serving/index.ts'
import { type TestAuthority, testAuthority } from '../serving/test-certificates.ts'
import { FakeDaemon, type FakeDaemonOptions } from './testing/fake-daemon.ts'
import { type CliOptions, type CliResult, runCli } from './testing/run-cli.ts'

let folder: string
let authority: TestAuthority
let tokenFile: string
let wrongTokenFile: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pledged-cli-access-'))
  authority = await testAuthority(folder)
  tokenFile = file('token', 'the-token-of-the-operator-1')
  wrongTokenFile = file('wrong', 'the-token-of-nobody-1')
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

async function daemonWith(options: FakeDaemonOptions): Promise<FakeDaemon> {
  const daemon = await FakeDaemon.start(options)
  onTestFinished(() => daemon[Symbol.asyncDispose]())
  return daemon
}

describe('a command', () => {
  let daemon: FakeDaemon
  const status = (args: readonly string[], environment: CliOptions['environment'] = {}): Promise<CliResult> =>
    runCli(['status', '--address', daemon.address, ...args], { environment })

  it('shows the token of its flag, else that of the environment', async () => {
    daemon = await daemonWith({ tokenFile })
    for (const result of [
      await status(['--token-file', tokenFile]),
      await status([], { PLEDGED_TOKEN_FILE: tokenFile }),
      await status(['--token-file', tokenFile], { PLEDGED_TOKEN_FILE: wrongTokenFile }),
    ]) {
      expect(result).toMatchObject({ exitCode: 0, stderr: '' })
    }
  })

  it('ends with 77 where it isn’t let in, and says no token', async () => {
    daemon = await daemonWith({ tokenFile })
    for (const args of [[], ['--token-file', wrongTokenFile]]) {
      const { exitCode, stdout, stderr } = await status(args)
      expect({ exitCode, stdout }).toEqual({ exitCode: 77, stdout: '' })
      expect(stderr).toMatch(/^pledged: .*--token-file, PLEDGED_TOKEN_FILE[^\n]*\n$/)
      expect(stderr).not.toMatch(/the-token-of/)
    }
    const { exitCode, stderr } = await status(['--json'])
    expect(exitCode).toBe(77)
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'UNAUTHENTICATED' } })
  })

  it('ends with 77 where its role may not do this', async () => {
    daemon = await daemonWith({})
    daemon.failure = new PledgedError('PERMISSION_DENIED', 'shop is an application: operators may do this')
    const { exitCode, stderr } = await status([])
    expect({ exitCode, stderr }).toEqual({
      exitCode: 77,
      stderr: 'pledged: shop is an application: operators may do this\n',
    })
  })

  it('speaks TLS, and shows its certificate', async () => {
    const tls = { ...(await authority.issueForLocalhost()), clientCaFile: authority.caFile }
    daemon = await daemonWith({ credentials: serverCredentials(tls), tokenFile })
    const { certFile, keyFile } = await authority.issue({ dns: ['ops.internal'] })
    const flags = [
      '--tls-ca',
      authority.caFile,
      '--tls-cert',
      certFile,
      '--tls-key',
      keyFile,
      '--token-file',
      tokenFile,
    ]
    expect(await status(flags)).toMatchObject({ exitCode: 0, stderr: '' })
    const environment = {
      PLEDGED_TLS_CA: authority.caFile,
      PLEDGED_TLS_CERT: certFile,
      PLEDGED_TLS_KEY: keyFile,
      PLEDGED_TOKEN_FILE: tokenFile,
    }
    expect(await status([], environment)).toMatchObject({ exitCode: 0, stderr: '' })
    const withoutCertificate = await status(['--tls-ca', authority.caFile])
    expect(withoutCertificate.exitCode).toBe(69)
    expect(withoutCertificate.stderr).toMatch(
      /asks for a certificate of this side: name one, and its key \(--tls-cert/,
    )
    const inPlainText = await status([])
    expect(inPlainText.exitCode).toBe(69)
    expect(inPlainText.stderr).toMatch(/if it speaks TLS and this side doesn't/)
  })

  it('that would change something knows that it has not, where no connection came about', async () => {
    daemon = await daemonWith({})
    const { exitCode, stderr } = await runCli(
      ['tx', 'retry', 'k3f9qa7m2xw4.9-q3f9.1', '--address', daemon.address, '--tls-ca', authority.caFile],
      {},
    )
    expect(exitCode).toBe(69)
    expect(stderr).toMatch(/the daemon doesn't speak TLS/)
  })

  it.each([
    ['--token-file none', /none can not be read: ENOENT/],
    ['--tls-cert none', /its key is not named/],
    ['--tls-ca none', /none can not be read: ENOENT/],
    ['--token-file TOKEN --address 10.0.0.1:7420', /would be sent to 10.0.0.1:7420 in plain text/],
  ])('with %s ends with 78, and a sentence', async (line, sentence) => {
    const args = line.split(' ').map((word) => (word === 'TOKEN' ? tokenFile : word))
    const { exitCode, stderr } = await runCli(['status', ...args])
    expect({ exitCode, stderr }).toEqual({ exitCode: 78, stderr: expect.stringMatching(sentence) as string })
    expect(stderr).toMatch(/^pledged: [^\n]+\n$/)
  })
})

describe('pledged conformance', () => {
  it('shows a participant what the flags name, and nothing of the environment’s', async () => {
    const credentials = serverCredentials(await authority.issueForLocalhost())
    await using model = new ModelParticipant({ credentials, tokenFile })
    await model.start()
    const run = (args: readonly string[], environment: CliOptions['environment'] = {}): Promise<CliResult> =>
      runCli(['conformance', model.address, '--work', 'put {n}', '--case', 'commit', ...args], {
        environment,
      })
    const ca = ['--tls-ca', authority.caFile]
    expect(await run([...ca, '--token-file', tokenFile])).toMatchObject({ exitCode: 0 })
    const withoutToken = await run(ca, { PLEDGED_TOKEN_FILE: tokenFile })
    expect(withoutToken.exitCode).toBe(77)
    expect(withoutToken.stderr).toMatch(/doesn't take who calls: .*the suite shows the token of --token-file/)
    const inPlainText = await run([], { PLEDGED_TLS_CA: authority.caFile })
    expect(inPlainText.exitCode).toBe(69)
    expect(inPlainText.stderr).toMatch(/can't be called: it hung up at once: if it speaks TLS/)
  })
})

describe('pledged participant serve --listen', () => {
  it.each([
    ['--listen 0.0.0.0:0', 78, /add TLS \(.*--tls-cert, --tls-key\), and a token \(.*--token-file/],
    [
      '--listen 127.0.0.1:0 --tls-ca CA',
      64,
      /TLS needs a certificate of its own: give --tls-cert and --tls-key/,
    ],
    ['--listen 127.0.0.1:0 --token-file none', 78, /none can not be read/],
  ])('%s is refused', async (line, code, sentence) => {
    const args = line.split(' ').map((word) => (word === 'CA' ? authority.caFile : word))
    const { exitCode, stderr } = await runCli([
      'participant',
      'serve',
      'offsets',
      '--name',
      'a',
      '--file',
      join(folder, 'offsets.db'),
      ...args,
    ])
    expect({ exitCode, stderr }).toEqual({
      exitCode: code,
      stderr: expect.stringMatching(sentence) as string,
    })
  })
})

describe('pledged run', () => {
  it('takes no flags for asking a daemon, and says so with its own exit code', async () => {
    const { exitCode, stderr } = await runCli(['run', '--token-file', tokenFile, '--', 'true'])
    expect(exitCode).toBe(125)
    expect(stderr).toMatch(/run takes neither --token-file nor --tls-/)
  })
})
