import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import { testAuthority } from '../serving/test-certificates.ts'
import { type Configuration, checkConfiguration } from './configuration.ts'
import type { DaemonOptions, Environment } from './options.ts'

const folder = mkdtempSync(join(tmpdir(), 'pledged-security-'))
const file = join(folder, 'pledged.yaml')
const authority = await testAuthority(folder)
await authority.issueForLocalhost({ fileName: 'server' })
await authority.issueForLocalhost({ fileName: 'other' })
writeFileSync(join(folder, 'ca.pem'), authority.ca)
afterAll(() => rmSync(folder, { recursive: true }))

const SECRET = 'a-secret-of-the-'.padEnd(40, 'z')
for (const name of ['shop', 'ledger', 'ops'])
  writeFileSync(join(folder, name), `${SECRET}${name}\n`, { mode: 0o600 })
writeFileSync(join(folder, 'same'), `${SECRET}shop\n`, { mode: 0o600 })
writeFileSync(join(folder, 'short'), 'a-secret', { mode: 0o600 })
writeFileSync(join(folder, 'open'), `${SECRET}open`, { mode: 0o644 })

const TLS = 'tls: { cert_file: server.pem, key_file: server.key }\n'
const MUTUAL = 'tls: { cert_file: server.pem, key_file: server.key, client_ca_file: ca.pem }\n'
const SHOP = '{ name: shop, role: application, token_file: shop }'
const AUTH = `auth: { tokens: [ ${SHOP} ] }\n`

function check(text: string, env: Environment = {}, options: DaemonOptions = {}): Configuration {
  writeFileSync(file, text)
  return checkConfiguration({ configFile: file, ...options }, env)
}

/** The mistakes that are told, without the folder. */
function mistakes(text: string, env: Environment = {}): string[] {
  try {
    check(text, env)
  } catch (error) {
    const { code, message } = PledgedError.from(error)
    expect(code).toBe('CONFIGURATION')
    expect(message).not.toContain('secret')
    return message
      .split('\n')
      .slice(1)
      .map((line) => line.trim().replaceAll(`${folder}/`, ''))
  }
  return []
}

describe('tls and auth', () => {
  it('are read whole, their files beside the configuration', () => {
    const { security, warnings } = check(`${MUTUAL}auth:
  tokens:
    - ${SHOP}
    - { name: ledger, role: participant, participant: ledger-1, token_file: ${join(folder, 'ledger')} }
    - { name: ops, role: operator, token_file: ./ops }
  certificates:
    - { name: shop, role: application, subject: shop.internal }
`)
    expect(warnings).toEqual([])
    expect(security).toEqual({
      tls: {
        certFile: join(folder, 'server.pem'),
        keyFile: join(folder, 'server.key'),
        clientCaFile: join(folder, 'ca.pem'),
      },
      auth: {
        tokens: [
          { identity: { name: 'shop', role: 'application' }, file: join(folder, 'shop') },
          {
            identity: { name: 'ledger', role: 'participant', participant: 'ledger-1' },
            file: join(folder, 'ledger'),
          },
          { identity: { name: 'ops', role: 'operator' }, file: join(folder, 'ops') },
        ],
        certificates: [{ identity: { name: 'shop', role: 'application' }, subject: 'shop.internal' }],
      },
    })
  })

  it('take the files of TLS from the environment as well', () => {
    const env = {
      PLEDGED_TLS_CERT_FILE: join(folder, 'server.pem'),
      PLEDGED_TLS_KEY_FILE: join(folder, 'server.key'),
    }
    expect(check('', env).security.tls).toMatchObject({ certFile: join(folder, 'server.pem') })
    expect(mistakes('', { ...env, PLEDGED_TLS_KEY_FILE: join(folder, 'other.key') })).toEqual([
      'PLEDGED_TLS_KEY_FILE: other.key is not the key of the certificate in server.pem: name the two that belong together',
    ])
  })

  it('warn of a certificate that has expired, and of a key that everybody on the machine can read', async () => {
    const { keyFile } = await authority.issueForLocalhost({ fileName: 'late', expired: true })
    chmodSync(keyFile, 0o644)
    expect(check('tls: { cert_file: late.pem, key_file: late.key }').warnings).toEqual([
      expect.stringMatching(
        /:1 tls.cert_file: the certificate in .*late.pem has expired \(.* GMT\), and clients/,
      ),
      expect.stringMatching(/:1 tls.key_file: .*late.key can be read by every user.*chmod o-r/),
    ])
  })

  it('warn of a token that everybody on the machine can read', () => {
    const { warnings } = check('auth: { tokens: [ { name: a, role: operator, token_file: open } ] }')
    expect(warnings).toEqual([expect.stringMatching(/:1 auth.tokens\[0\].token_file: .*chmod o-r/)])
    expect(warnings.join()).not.toContain('secret')
  })
})

describe('mistakes of tls and auth', () => {
  it.each([
    [
      'tls: { cert_file: server.pem }',
      'pledged.yaml:1 tls.key_file: is missing: TLS needs cert_file and key_file, PEM files',
    ],
    ['tls: { key_file: server.key }', /^pledged.yaml:1 tls.cert_file: is missing/],
    [
      'tls:\n  cert_file: server.pem\n  key_file: other.key',
      /^pledged.yaml:3 tls.key_file: other.key is not the key of/,
    ],
    [
      'tls:\n  cert_file: nowhere\n  key_file: other.key',
      /^pledged.yaml:2 tls.cert_file: nowhere can not be read: ENOENT/,
    ],
    [
      'tls: { certfile: x }',
      /^pledged.yaml:1 tls.certfile: is not a key .* known are cert_file, key_file, client_ca_file$/,
    ],
    ['tls: server.pem', 'pledged.yaml:1 tls: has to be a mapping'],
    [MUTUAL, /^pledged.yaml:1 auth: is missing, and without it nobody is anyone: tls.client_ca_file/],
    ['auth: {}', /^pledged.yaml:1 auth: names nobody/],
    ['auth: { tokens: [], certificates: [] }', /^pledged.yaml:1 auth: names nobody/],
    [
      `${TLS}auth: { certificates: [ { name: a, role: operator, subject: a } ] }`,
      /^pledged.yaml:2 auth.certificates: is of no use without tls.client_ca_file/,
    ],
    [
      `auth: { token: [], tokens: [ ${SHOP} ] }`,
      /^pledged.yaml:1 auth.token: is not a key .* known are tokens, certificates$/,
    ],
    [
      `auth: { tokens: [ { name: a, role: operator, token_file: ops, token: "${SECRET}" } ] }`,
      /auth.tokens\[0\].token: is not a key .* name, role, participant, token_file$/,
    ],
    [
      'auth: { tokens: [ { name: a, role: admin, token_file: ops } ] }',
      /tokens\[0\].role: "admin" is none of application, participant, operator$/,
    ],
    [
      'auth: { tokens: [ { name: a, role: operator } ] }',
      'pledged.yaml:1 auth.tokens[0].token_file: is missing',
    ],
    [
      'auth: { tokens: [ { name: a b, role: operator, token_file: ops } ] }',
      /tokens\[0\].name: "a b" is not a name of an identity/,
    ],
    [
      'auth: { tokens: [ { name: a, role: participant, token_file: ops } ] }',
      /tokens\[0\].participant: is missing: name the participant/,
    ],
    [
      'auth: { tokens: [ { name: a, role: operator, participant: a, token_file: ops } ] }',
      /tokens\[0\].participant: is for the role participant/,
    ],
    [
      'auth: { tokens: [ { name: a, role: participant, participant: A, token_file: ops } ] }',
      /tokens\[0\].participant: "A" is not a name of a participant/,
    ],
    [
      'auth: { tokens: [ { name: a, role: operator, token_file: nowhere } ] }',
      /tokens\[0\].token_file: nowhere can not be read: ENOENT/,
    ],
    [
      'auth: { tokens: [ { name: a, role: operator, token_file: short } ] }',
      /tokens\[0\].token_file: short holds a token of 8 characters/,
    ],
    [
      `auth:\n  tokens:\n    - ${SHOP}\n    - { name: b, role: operator, token_file: same }`,
      'pledged.yaml:4 auth.tokens[1].token_file: same holds the same token as shop: each identity needs one of its own',
    ],
    [
      `auth:\n  tokens:\n    - ${SHOP}\n    - { name: shop, role: operator, token_file: ops }`,
      /^pledged.yaml:4 auth.tokens\[1\].name: "shop" is given twice, with different roles/,
    ],
    [
      `${MUTUAL}auth: { certificates: [ { name: a, role: operator, subject: "*.internal" } ] }`,
      /auth.certificates\[0\].subject: "\*.internal" has a wildcard/,
    ],
    [
      `${MUTUAL}auth: { certificates: [ { name: a, role: operator, subject: x }, { name: b, role: operator, subject: X } ] }`,
      /auth.certificates\[1\].subject: X is given twice/,
    ],
  ])('%s', (text, told) => {
    expect(mistakes(text)).toEqual([typeof told === 'string' ? told : expect.stringMatching(told)])
  })
})

describe('an address that others can reach', () => {
  const listen = 'listen: 0.0.0.0:7420\n'

  it('needs TLS and authentication', () => {
    expect(check(listen + TLS + AUTH).listen).toMatchObject({ host: '0.0.0.0' })
    const certificates = 'auth: { certificates: [ { name: a, role: operator, subject: a } ] }'
    expect(check(listen + MUTUAL + certificates).listen).toMatchObject({ host: '0.0.0.0' })
    const needs = (more: string) => mistakes(listen + more).join()
    expect(needs('')).toMatch(
      /listen: 0.0.0.0:7420 can be reached .* add tls \(.*\) and auth \(.*\), listen on a loopback/,
    )
    expect(needs(TLS)).toMatch(/: add auth \(tokens, or certificates with tls.client_ca_file\), listen on/)
    expect(needs(AUTH)).toMatch(/: add tls \(cert_file and key_file\), listen on/)
  })

  it('or --insecure', () => {
    expect(check(listen, {}, { insecure: true }).security).toEqual({})
  })

  it('is no other for the probes, of which it is warned', () => {
    mkdirSync(join(folder, 'data'), { recursive: true })
    const http = 'http_listen: 0.0.0.0:7421\n'
    expect(mistakes(http + TLS).join()).toMatch(/http_listen: 0.0.0.0:7421 can be reached/)
    expect(check(http + TLS + AUTH).warnings).toEqual([
      expect.stringMatching(
        /:1 http_listen: whoever reaches 0.0.0.0:7421 is told, without being asked who they are/,
      ),
    ])
  })
})
