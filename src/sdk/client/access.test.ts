/** The client of a daemon that doesn't let everybody in. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { defaultLimits } from '../../base/limits.ts'
import { serverCredentials } from '../../serving/index.ts'
import { type TestAuthority, testAuthority } from '../../serving/test-certificates.ts'
import { resolveAccessOptions } from '../dialling.ts'
import { type ConnectOptions, connect, OutcomeUnknownError } from './index.ts'
import { answer, ScriptedDaemon, type ScriptedDaemonOptions } from './test-daemon.ts'

const TRANSPORTS = ['session', 'unary'] as const
const BRANCHES = [{ participant: 'sink', work: 'x' }] as const
const limits = { ...defaultLimits, backoffMinMs: 5, backoffMaxMs: 20 }

let folder: string
let authority: TestAuthority
let tokenFile: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pledged-client-access-'))
  authority = await testAuthority(folder)
  tokenFile = file('token', 'the-token-of-the-shop-1')
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

async function daemonWith(options: ScriptedDaemonOptions): Promise<ScriptedDaemon> {
  const daemon = new ScriptedDaemon(options)
  await daemon.start()
  onTestFinished(() => daemon.kill())
  return daemon
}

function clientOf(daemon: ScriptedDaemon, options: ConnectOptions) {
  const client = connect({ address: daemon.address, limits, ...options })
  onTestFinished(() => client.close())
  return client
}

describe.each(TRANSPORTS)('a client (%s)', (transport) => {
  it('shows its token, through TLS and without', async () => {
    const secure = { credentials: serverCredentials(await authority.issueForLocalhost()) }
    for (const options of [{}, secure]) {
      const daemon = await daemonWith({ steps: [answer({ outcome: 'committed' })], tokenFile, ...options })
      const tls = options === secure ? { caFile: authority.caFile } : undefined
      const client = clientOf(daemon, { transport, tokenFile, tls })
      expect(await client.execute(BRANCHES)).toMatchObject({ outcome: 'committed' })
    }
  })

  it('is told at once that its token is none, or missing', async () => {
    const daemon = await daemonWith({ steps: [answer({ outcome: 'committed' })], tokenFile })
    const wrong = file('wrong', 'the-token-of-nobody-1')
    for (const shown of [undefined, wrong]) {
      // Sooner than its time is over, or the test's would be.
      const client = clientOf(daemon, { transport, tokenFile: shown, timeoutMs: 600_000 })
      await expect(client.execute(BRANCHES)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
      await expect(client.get({ requestId: 'r' })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    }
    expect(daemon.executes).toEqual([])
  })

  it('never takes what it had sent for aborted, where it isn’t let in again', async () => {
    const theirs = file('theirs', 'the-token-of-the-shop-1')
    let reached = false
    const daemon = await daemonWith({
      steps: [
        () => {
          reached = true
          writeFileSync(theirs, 'the-token-of-the-shop-2')
          daemon.kill()
          return daemon.start()
        },
        answer({ outcome: 'aborted' }),
      ],
      tokenFile: theirs,
    })
    const client = clientOf(daemon, { transport, tokenFile, timeoutMs: 600_000 })
    const error: unknown = await client.execute(BRANCHES).catch((thrown: unknown) => thrown)
    expect(reached).toBe(true)
    expect(error).toBeInstanceOf(OutcomeUnknownError)
    expect(String(error)).toMatch(/the token is not one that is known here/)
  })

  it('says what is wrong between its TLS and the daemon’s', async () => {
    const daemon = await daemonWith({ steps: [answer({ outcome: 'committed' })] })
    const client = clientOf(daemon, { transport, tls: { caFile: authority.caFile }, timeoutMs: 300 })
    await expect(client.execute(BRANCHES)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/doesn't speak TLS/) as string,
    })
  })
})

describe('a transaction', () => {
  it('isn’t begun where the client isn’t let in, and that is told at once', async () => {
    const daemon = await daemonWith({ steps: [], tokenFile })
    const client = clientOf(daemon, { timeoutMs: 600_000 })
    await expect(client.begin()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    let called = false
    const transaction = client.transaction(() => {
      called = true
      return Promise.resolve()
    })
    await expect(transaction).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(called).toBe(false)
  })
})

describe('what a client shows', () => {
  it('is what is given, else what the environment names', () => {
    const environment = {
      PLEDGED_TOKEN_FILE: '/run/token',
      PLEDGED_TLS_CA: '/run/ca.pem',
      PLEDGED_TLS_CERT: '',
      PLEDGED_TLS_KEY: undefined,
    }
    expect(resolveAccessOptions({}, environment)).toEqual({
      tokenFile: '/run/token',
      tls: { caFile: '/run/ca.pem' },
    })
    const given = { tokenFile: 'token', tls: { certFile: 'a.pem', keyFile: 'a.key' } }
    expect(resolveAccessOptions(given, environment)).toEqual({
      tokenFile: 'token',
      tls: { caFile: '/run/ca.pem', certFile: 'a.pem', keyFile: 'a.key' },
    })
    expect(resolveAccessOptions({ tls: {} }, {})).toEqual({ tls: {} })
    expect(resolveAccessOptions({}, {}).tls).toBeUndefined()
  })

  it('is checked when the client is made', () => {
    expect(() => connect({ address: '10.0.0.1:7420', tokenFile })).toThrow(
      /would be sent to 10.0.0.1:7420 in plain text/,
    )
    expect(() => connect({ tokenFile: join(folder, 'none') })).toThrow(/none can not be read/)
    expect(() => connect({ tls: { caFile: tokenFile } })).toThrow(/holds no certificate/)
  })
})
