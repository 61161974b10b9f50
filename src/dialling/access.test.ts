import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ServerCredentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { serverCredentials } from '../serving/index.ts'
import { type TestAuthority, testAuthority } from '../serving/test-certificates.ts'
import { fromServiceError } from '../wire/index.ts'
import { Access, type AccessOptions } from './access.ts'
import { greet, testClient, testServer } from './test-server.ts'

const PLAIN = ServerCredentials.createInsecure()
const TOKEN = 'a-token-for-tests-0123456789'

let folder: string
let authority: TestAuthority
let stranger: TestAuthority

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pledged-access-'))
  authority = await testAuthority(folder)
  stranger = await testAuthority(folder, 'Stranger')
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

/** What one call through it comes to: the greeting, or `CODE: sentence`. */
async function greeted(address: string, options: AccessOptions): Promise<string> {
  const access = new Access(address, options)
  return await greetedBy(address, access)
}

async function greetedBy(
  address: string,
  access: Access,
  client = testClient(address, access),
): Promise<string> {
  try {
    return await greet(client, access.authorize())
  } catch (error) {
    const pledged = fromServiceError(error, 'HERE')
    return `${pledged.code}: ${pledged.message}`
  }
}

describe('a token', () => {
  it('is shown in plain text on this machine, by port and by socket', async () => {
    const tokenFile = file('token', `${TOKEN}\n`)
    const socket = `unix:${join(folder, 'greeter.sock')}`
    for (const listen of ['127.0.0.1:0', socket]) {
      const { address } = await testServer({ credentials: PLAIN, tokenFile, listen })
      expect(await greeted(address, { tokenFile })).toBe('hello')
      expect(await greeted(address, {})).toMatch(/^UNAUTHENTICATED: /)
      expect(await greeted(address, { tokenFile: file('wrong', 'another-token-0123456789') })).toMatch(
        /^UNAUTHENTICATED: the token is not one that is known here/,
      )
    }
  })

  it('is shown to another machine through TLS alone', () => {
    const tokenFile = file('token', TOKEN)
    for (const address of ['10.1.2.3:7420', 'pledged.internal:7420', '0.0.0.0:7420', '[2001:db8::1]:7420']) {
      expect(() => new Access(address, { tokenFile })).toThrow(/would be sent to .* in plain text.*--tls-ca/)
      expect(() => new Access(address, { tokenFile, tls: {} })).not.toThrow()
      expect(() => new Access(address, {})).not.toThrow()
    }
  })

  it('is taken anew from its file, and while that is gone the last one is shown', async () => {
    const tokenFile = file('rotating', TOKEN)
    const theirs = file('theirs', TOKEN)
    const { address } = await testServer({ credentials: PLAIN, tokenFile: theirs })
    const access = new Access(address, { tokenFile })
    const client = testClient(address, access)
    rmSync(tokenFile)
    expect(await greetedBy(address, access, client)).toBe('hello')
    file('theirs', 'another-token-0123456789')
    await vi.waitFor(
      async () => expect(await greetedBy(address, access, client)).toMatch(/^UNAUTHENTICATED/),
      20_000,
    )
    file('rotating', 'another-token-0123456789')
    await vi.waitFor(async () => expect(await greetedBy(address, access, client)).toBe('hello'), 20_000)
  })

  it.each([
    ['missing', undefined, /missing can not be read: ENOENT/],
    ['empty', '\n', /empty is empty: write a token/],
    ['short', 'hunter2', /short holds a token of 7 characters; a token has at least 16/],
    ['odd', 'not a token, but a sentence', /odd holds what is no token/],
  ])('that is %s is a sentence, which does not show it', (name, text, sentence) => {
    const path = text === undefined ? join(folder, name) : file(name, text)
    expect(() => new Access('127.0.0.1:1', { tokenFile: path })).toThrow(sentence)
    if (text !== undefined && text.trim() !== '')
      expect(() => new Access('127.0.0.1:1', { tokenFile: path })).not.toThrow(new RegExp(text))
  })

  // Root may read every file.
  it.skipIf(process.getuid?.() === 0)('that may not be read is a sentence', () => {
    const path = file('private', TOKEN)
    chmodSync(path, 0)
    expect(() => new Access('127.0.0.1:1', { tokenFile: path })).toThrow(/private can not be read: EACCES/)
  })
})

describe('TLS', () => {
  it('is spoken with a side that shows a certificate of the authority, by name, by IP address and by socket', async () => {
    const warned: string[] = []
    const listen = (warning: Error): unknown => warned.push(warning.message)
    process.on('warning', listen)
    onTestFinished(() => void process.off('warning', listen))
    const credentials = serverCredentials(await authority.issueForLocalhost())
    const tls = { caFile: authority.caFile }
    const { address } = await testServer({ credentials })
    expect(await greeted(address, { tls })).toBe('hello')
    expect(await greeted(address.replace('127.0.0.1', 'localhost'), { tls })).toBe('hello')
    const socket = await testServer({ credentials, listen: `unix:${join(folder, 'tls.sock')}` })
    expect(await greeted(socket.address, { tls })).toBe('hello')
    expect(warned).toEqual([])
  })

  it('says what is wrong with the other side', async () => {
    const tls = { caFile: authority.caFile }
    const serving = async (options: Parameters<TestAuthority['issue']>[0], by = authority) =>
      (await testServer({ credentials: serverCredentials(await by.issue(options)) })).address
    const ip = ['127.0.0.1']
    expect(await greeted(await serving({ ip, expired: true }), { tls })).toMatch(
      /^UNAVAILABLE: the daemon at HERE can't be reached: the certificate of the daemon has expired: it needs a new one/,
    )
    expect(await greeted(await serving({ dns: ['elsewhere.example'] }), { tls })).toMatch(
      /is for other names/,
    )
    const strange = await serving({ ip }, stranger)
    expect(await greeted(strange, { tls })).toMatch(
      /an authority that isn't trusted here: name its authority/,
    )
    expect(await greeted(strange, { tls: {} })).toMatch(/an authority that isn't trusted here/)
    expect(await greeted(strange, { tls: { caFile: stranger.caFile } })).toBe('hello')
  })

  it('says so where one side speaks it and the other does not', async () => {
    const plain = await testServer({ credentials: PLAIN })
    expect(await greeted(plain.address, { tls: { caFile: authority.caFile } })).toMatch(
      /the daemon doesn't speak TLS/,
    )
    const secure = await testServer({ credentials: serverCredentials(await authority.issueForLocalhost()) })
    expect(await greeted(secure.address, {})).toMatch(
      /if it speaks TLS and this side doesn't, name its authority/,
    )
  })

  it('shows a certificate to a side that asks for one, and says why that is not taken', async () => {
    const { address } = await testServer({
      credentials: serverCredentials({
        ...(await authority.issueForLocalhost()),
        clientCaFile: authority.caFile,
      }),
    })
    const tls = { caFile: authority.caFile }
    const { certFile, keyFile } = await authority.issue({ dns: ['shop.internal'] })
    expect(await greeted(address, { tls: { ...tls, certFile, keyFile } })).toBe('hello')
    expect(await greeted(address, { tls })).toMatch(
      /asks for a certificate of this side: name one, and its key/,
    )
    const strange = await stranger.issue({ dns: ['shop.internal'] })
    expect(
      await greeted(address, { tls: { ...tls, certFile: strange.certFile, keyFile: strange.keyFile } }),
    ).toMatch(/doesn't take the certificate of this side/)
    const old = await authority.issue({ dns: ['shop.internal'], expired: true })
    expect(await greeted(address, { tls: { ...tls, certFile: old.certFile, keyFile: old.keyFile } })).toMatch(
      /this side's certificate has expired on .*Z: replace \S+\.pem and \S+\.key$/,
    )
  })

  it('takes over certificates that are replaced, at the next connection of the same client', async () => {
    const server = await testServer({
      credentials: serverCredentials({
        ...(await authority.issueForLocalhost()),
        clientCaFile: authority.caFile,
      }),
    })
    const { certFile, keyFile } = await authority.issue({ expired: true, fileName: 'rotated' })
    const access = new Access(server.address, { tls: { caFile: authority.caFile, certFile, keyFile } })
    const client = testClient(server.address, access)
    const greeting = (): Promise<string> => greetedBy(server.address, access, client)
    expect(await greeting()).toMatch(/this side's certificate has expired/)
    writeFileSync(keyFile, 'half')
    await vi.waitFor(
      async () => expect(await greeting()).toMatch(/what is there now can't be used: .*rotated\.key/),
      20_000,
    )
    await authority.issue({ fileName: 'rotated' })
    await vi.waitFor(async () => expect(await greeting()).toBe('hello'), 20_000)
    writeFileSync(certFile, '')
    server.cut()
    await vi.waitFor(async () => expect(await greeting()).toBe('hello'), 20_000)
  })

  it('is refused with files that can not be used', async () => {
    const { certFile, keyFile } = await authority.issue({})
    const other = await authority.issue({})
    const open = (tls: AccessOptions['tls']) => () => new Access('127.0.0.1:1', { tls })
    expect(open({ certFile })).toThrow(/is a certificate, and its key is not named/)
    expect(open({ keyFile })).toThrow(/is the key of a certificate, and no certificate is named/)
    expect(open({ certFile, keyFile: other.keyFile })).toThrow(/is not the key of the certificate in/)
    expect(open({ caFile: keyFile })).toThrow(/holds no certificate/)
    expect(open({ caFile: join(folder, 'none.pem') })).toThrow(/none.pem can not be read: ENOENT/)
  })
})
