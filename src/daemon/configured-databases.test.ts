/** Participants that are configured by a URL or by an address, as the configuration reads them. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import { testAuthority } from '../serving/test-certificates.ts'
import { type Configuration, checkConfiguration } from './configuration.ts'
import { withoutPassword } from './database-url.ts'
import type { DaemonOptions, Environment } from './options.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pledged-databases-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

function check(
  entries: readonly string[],
  env: Environment = {},
  options: DaemonOptions = {},
): Configuration {
  const file = join(folder, 'pledged.yaml')
  writeFileSync(file, ['participants:', ...entries.map((entry) => `  - ${entry}`), ''].join('\n'))
  return checkConfiguration({ configFile: file, ...options }, env)
}

/** The mistakes that are told, without the folder and the heading. */
function mistakes(entries: readonly string[], env: Environment = {}): string[] {
  try {
    check(entries, env)
  } catch (error) {
    expect(error).toBeInstanceOf(PledgedError)
    const [, ...lines] = (error as PledgedError).message.split('\n')
    return lines.map((line) => line.trim().replaceAll(`${folder}/`, ''))
  }
  throw new Error('no mistake was found')
}

describe('a database', () => {
  it('is named by its URL, with variables, or by a file that has it', () => {
    writeFileSync(join(folder, 'stock-url'), 'mysql://stock:secret@db.example/shop?ssl-mode=REQUIRED\n', {
      mode: 0o600,
    })
    const { participants, warnings } = check(
      [
        '{ name: ledger, kind: postgres, url: "postgres://ledger:${PASSWORD}@db.example:5433/bank?sslmode=require", pool_size: 4, lock_timeout: 500ms, statements: { add: INSERT INTO t VALUES (1) } }',
        '{ name: stock, kind: mysql, url_file: stock-url }',
      ],
      { PASSWORD: 's%2Fcret' },
    )
    expect(participants).toEqual([
      {
        name: 'ledger',
        kind: 'postgres',
        url: 'postgres://ledger:s%2Fcret@db.example:5433/bank?sslmode=require',
        poolSize: 4,
        lockTimeoutMs: 500,
        statements: { add: 'INSERT INTO t VALUES (1)' },
      },
      { name: 'stock', kind: 'mysql', url: 'mysql://stock:secret@db.example/shop?ssl-mode=REQUIRED' },
    ])
    expect(warnings).toEqual([])
  })

  it('may be reached by a unix socket', () => {
    const { participants } = check([
      '{ name: a, kind: postgres, url: "postgres://a@localhost/bank?host=/run/postgresql" }',
    ])
    expect(participants).toHaveLength(1)
  })

  it('warns of a file with a password that others can read', () => {
    writeFileSync(join(folder, 'url'), 'postgres://a:secret@localhost/bank')
    chmodSync(join(folder, 'url'), 0o644)
    const { warnings } = check(['{ name: a, kind: postgres, url_file: url }'])
    expect(warnings).toEqual([
      `${folder}/pledged.yaml:2 participants[0].url_file: ${folder}/url can be read by every user of this machine, ` +
        `and holds a password: chmod o-r ${folder}/url`,
    ])
  })

  it('is shown without its password', () => {
    expect(withoutPassword('postgres://ledger:secret@db.example:5433/bank?sslmode=require')).toBe(
      'postgres://ledger@db.example:5433/bank',
    )
    expect(withoutPassword('mysql://db.example/shop')).toBe('mysql://db.example/shop')
  })
})

describe('mistakes', () => {
  it('are keys of another kind, and keys that are missing, each at its line', () => {
    expect(
      mistakes([
        '{ name: a, kind: postgres, file: a.db }',
        '{ name: b, kind: sqlite, url: "postgres://secret@h/d" }',
        '{ name: c, kind: mysql, url: "mysql://u:secret@h/d", url_file: c }',
        '{ name: d, kind: grpc, url: "http://h" }',
        '{ name: e, kind: oracle, url: "oracle://secret@h/d" }',
        '{ name: f }',
        '3',
      ]),
    ).toEqual([
      'pledged.yaml:2 participants[0].file: is not a key of a participant of kind postgres; those are name, kind, url, url_file, statements, pool_size, lock_timeout',
      'pledged.yaml:2 participants[0].url: is missing: give the URL of the database, or url_file, a file with the URL',
      'pledged.yaml:3 participants[1].file: is missing',
      'pledged.yaml:3 participants[1].url: is not a key of a participant of kind sqlite; those are name, kind, file, statements',
      'pledged.yaml:4 participants[2].url_file: is given beside url: leave one of them out',
      'pledged.yaml:5 participants[3].address: is missing',
      'pledged.yaml:5 participants[3].url: is not a key of a participant of kind grpc; those are name, kind, address, tls_ca_file, tls_cert_file, tls_key_file, token_file',
      'pledged.yaml:6 participants[4].kind: "oracle" is not a kind of participant; there are sqlite, offsets, postgres, mysql, grpc',
      'pledged.yaml:7 participants[5].kind: is missing: give one of sqlite, offsets, postgres, mysql, grpc',
      'pledged.yaml:8 participants[6]: has to be a mapping',
    ])
  })

  it.each([
    [
      'kind: postgres, url: "postgres://u:secret@h:x/d"',
      /url: the url of participant "a" is not of the form postgres:/,
    ],
    ['kind: postgres, url: "u:secret@h/d"', /url: .* is not of the form postgres:/],
    ['kind: postgres, url: "mysql://u:secret@h/d"', /url: .* is not of the form postgres:/],
    ['kind: mysql, url: "postgres://u:secret@h/d"', /url: .* is not of the form mysql:/],
    ['kind: mysql, url: "mysql://u:secret@localhost"', /url: .* names no database/],
    ['kind: postgres, url: "postgres://u:secret@db.example/d"', /url: .* on another machine .* sslmode=/],
    ['kind: mysql, url: [ secret ]', /url: it is not a text/],
    ['kind: mysql, url: ', /url: is empty/],
    ['kind: postgres, url: "${NONE}"', /url: the environment has no variable NONE/],
    ['kind: postgres, url_file: none', /url_file: none can not be read: ENOENT/],
    ['kind: postgres, url_file: wrong', /url_file: the url of participant "a" is not of the form postgres:/],
    ['kind: postgres, url_file: empty', /url_file: empty is empty/],
    ['kind: postgres, url: "postgres://u@localhost/d", pool_size: 1', /pool_size: .* needs 4/],
    ['kind: mysql, url: "mysql://u@localhost/d", pool_size: 1', /pool_size: .* at least 3/],
    ['kind: mysql, url: "mysql://u@localhost/d", pool_size: 0', /pool_size: 0 is out of range: 1 to 1000/],
    ['kind: postgres, url: "postgres://u@localhost/d", lock_timeout: 5', /lock_timeout: 5 is not a duration/],
    [
      'kind: postgres, url: "postgres://u@localhost/d", statements: { a: COMMIT }',
      /statements: statement "a" /,
    ],
    ['kind: mysql, url: "mysql://u@localhost/d", statements: { a: COMMIT }', /statements: statement "a" /],
    ['kind: grpc, address: "ledger"', /address: "ledger" is not an address/],
    ['kind: grpc, address: "ledger.example:9001"', /address: ledger.example:9001 is on another machine/],
    ['kind: grpc, address: "127.0.0.1:9001", token_file: none', /token_file: none can not be read/],
    ['kind: grpc, address: "127.0.0.1:9001", token_file: empty', /token_file: empty is empty: write a token/],
    ['kind: grpc, address: "127.0.0.1:9001", tls_ca_file: wrong', /tls_ca_file: wrong holds no certificate/],
    [
      'kind: grpc, address: "127.0.0.1:9001", tls_key_file: wrong',
      /tls_key_file: wrong is the key of a certificate, and no/,
    ],
    [`kind: grpc, address: "unix:/${'x'.repeat(120)}"`, /address: the socket's path .* has 121 bytes/],
  ])('%s', (entry, told) => {
    writeFileSync(join(folder, 'wrong'), 'http://u:secret@h/d')
    writeFileSync(join(folder, 'empty'), '\n')
    const [mistake, ...others] = mistakes([`{ name: a, ${entry} }`])
    expect(mistake).toMatch(told)
    expect(mistake).not.toMatch(/secret/)
    expect(others).toEqual([])
  })
})

describe('a participant that listens', () => {
  it('is named by its address, on this machine; elsewhere with --insecure', () => {
    const entries = [
      '{ name: a, kind: grpc, address: "127.0.0.1:9001" }',
      '{ name: b, kind: grpc, address: "unix:b.sock" }',
    ]
    expect(check(entries).participants).toEqual([
      { name: 'a', kind: 'grpc', address: '127.0.0.1:9001' },
      { name: 'b', kind: 'grpc', address: `unix:${folder}/b.sock` },
    ])
    const remote = ['{ name: a, kind: grpc, address: "ledger.example:9001" }']
    expect(check(remote, {}, { insecure: true }).participants).toHaveLength(1)
  })

  it('is shown a token and called by TLS, with the files that its entry names', async () => {
    const { caFile } = await testAuthority(folder)
    writeFileSync(join(folder, 'token'), 'the-token-of-the-daemon-1\n')
    chmodSync(join(folder, 'token'), 0o644)
    const { participants, warnings } = check([
      `{ name: a, kind: grpc, address: "ledger.example:9001", tls_ca_file: ${caFile}, token_file: token }`,
      '{ name: b, kind: grpc, address: "unix:b.sock", token_file: token }',
    ])
    const tokenFile = join(folder, 'token')
    expect(participants).toEqual([
      { name: 'a', kind: 'grpc', address: 'ledger.example:9001', access: { tokenFile, tls: { caFile } } },
      { name: 'b', kind: 'grpc', address: `unix:${folder}/b.sock`, access: { tokenFile } },
    ])
    expect(warnings).toEqual([
      expect.stringMatching(/participants\[0\].token_file: .*token can be read by every user/),
      expect.stringMatching(/participants\[1\].token_file/),
    ])
    const inPlainText = ['{ name: a, kind: grpc, address: "ledger.example:9001", token_file: token }']
    expect(() => check(inPlainText, {}, { insecure: true })).toThrow(
      /token_file: the token in .* in plain text/,
    )
  })
})
