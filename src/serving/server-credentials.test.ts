import { createPrivateKey } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import { checkServerTls, type ServerTls, serverCredentials } from './server-credentials.ts'
import { testAuthority } from './test-certificates.ts'

const root = mkdtempSync(join(tmpdir(), 'pledged-credentials-'))
const authority = await testAuthority(root)
const { certFile, keyFile, cert, key } = await authority.issueForLocalhost()
const other = await authority.issueForLocalhost()
afterAll(() => rmSync(root, { recursive: true, force: true }))

function mistakeOf(tls: ServerTls): string {
  try {
    checkServerTls(tls)
  } catch (error) {
    if (error instanceof PledgedError && error.code === 'CONFIGURATION') return error.message
  }
  return 'no mistake'
}

function file(name: string, text: string): string {
  const path = join(root, name)
  writeFileSync(path, text)
  return path
}

describe('the files of a server', () => {
  it('are taken where certificate and key belong together', () => {
    expect(mistakeOf({ certFile, keyFile, clientCaFile: authority.caFile })).toBe('no mistake')
    expect(serverCredentials(undefined)).toBeDefined()
  })

  it('are refused with a sentence that names the file, and nothing of the key', () => {
    const missing = join(root, 'nowhere.pem')
    const rubbish = file('rubbish.pem', 'rubbish')
    const encrypted = file(
      'encrypted.key',
      createPrivateKey(key)
        .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'a secret' })
        .toString(),
    )
    const cases: readonly (readonly [ServerTls, string, RegExp])[] = [
      [{ certFile: missing, keyFile }, missing, /can not be read: ENOENT/],
      [{ certFile, keyFile: missing }, missing, /can not be read: ENOENT/],
      [{ certFile, keyFile, clientCaFile: missing }, missing, /can not be read: ENOENT/],
      [{ certFile: root, keyFile }, root, /is no file/],
      [{ certFile: rubbish, keyFile }, rubbish, /holds no certificate: it has to be PEM/],
      [{ certFile: keyFile, keyFile }, keyFile, /holds no certificate/],
      [{ certFile, keyFile: certFile }, certFile, /holds no private key/],
      [{ certFile, keyFile: encrypted }, encrypted, /is encrypted, and there is nobody to ask/],
      [{ certFile, keyFile: other.keyFile }, other.keyFile, /is not the key of the certificate in/],
      [{ certFile, keyFile, clientCaFile: rubbish }, rubbish, /holds no certificate/],
    ]
    for (const [tls, at, sentence] of cases) {
      const mistake = mistakeOf(tls)
      expect(mistake).toMatch(sentence)
      expect(mistake.startsWith(`${at} `)).toBe(true)
      for (const line of key.split('\n').slice(1, -2)) expect(mistake).not.toContain(line.slice(0, 20))
    }
  })

  it('may hold the certificates between it and its authority as well', () => {
    const chain = file('chain.pem', `${cert}\n${authority.ca}`)
    expect(mistakeOf({ certFile: chain, keyFile })).toBe('no mistake')
  })
})
