import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import { BearerTokens, readTokenFile, type TokenFile } from './bearer-tokens.ts'
import type { Identity } from './identity.ts'
import type { Rotation } from './server-credentials.ts'

const root = mkdtempSync(join(tmpdir(), 'pledged-tokens-'))
const shop: Identity = { name: 'shop', role: 'application' }
const ops: Identity = { name: 'ops', role: 'operator' }
const ledger: Identity = { name: 'ledger', role: 'participant', participant: 'ledger' }

let number = 0
let told: Rotation[]
let open: BearerTokens[]

beforeEach(() => {
  told = []
  open = []
})
afterEach(() => {
  for (const each of open) each.close()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

function file(text: string): string {
  number += 1
  const path = join(root, `token-${number}`)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

function tokens(...files: TokenFile[]): BearerTokens {
  const made = new BearerTokens(files, { everyMs: 5, tell: (rotation) => told.push(rotation) })
  open.push(made)
  return made
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
}

function mistakeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof PledgedError && error.code === 'CONFIGURATION') return error.message
  }
  return 'no mistake'
}

const A = 'aaaaaaaaaaaaaaaaaaaaaaaa'
const B = 'bbbbbbbbbbbbbbbbbbbbbbbb'
const C = 'cccccccccccccccccccccccc'

describe('tokens in files', () => {
  it('tell who brings them, and nobody of any other', () => {
    const known = tokens(
      { identity: shop, file: file(`${A}\n`) },
      { identity: ops, file: file(B) },
      { identity: ledger, file: file(`\r\n${C}\r\n`) },
    )
    expect([A, B, C].map((token) => known.identify(token))).toEqual([shop, ops, ledger])
    for (const other of ['', 'a', A.slice(1), `${A}a`, A.toUpperCase(), `${A}\n`, `${A}\n${B}`])
      expect(known.identify(other)).toBeUndefined()
  })

  it('may be two in one file, and one in two files of the same identity', () => {
    const known = tokens({ identity: shop, file: file(`${A}\n${B}\n`) }, { identity: shop, file: file(B) })
    expect([A, B].map((token) => known.identify(token))).toEqual([shop, shop])
  })

  it('are refused with a sentence that names the file, and never the token', () => {
    const secret = 'not-a-token-but-a-secret'
    const cases = [
      ['', /is empty: write a token of at least 16 characters/],
      ['\n \n', /is empty/],
      ['tooshort', /holds a token of 8 characters; a token has at least 16/],
      [`${secret} # of the shop`, /holds what is no token/],
      [`${secret}ä`, /holds what is no token/],
      [`${A}\n${B}\n${C}\n${secret}\n${secret}x`, /has 5 lines/],
      ['x'.repeat(5_000), /holds what is no token/],
    ] as const
    for (const [text, sentence] of cases) {
      const path = file(text)
      const mistake = mistakeOf(() => tokens({ identity: shop, file: path }))
      expect(mistake).toMatch(sentence)
      expect(mistake.startsWith(path)).toBe(true)
      expect(mistake).not.toMatch(/secret|tooshort|xxx/)
    }
    expect(mistakeOf(() => readTokenFile(join(root, 'nowhere')))).toMatch(/can not be read: ENOENT/)
    expect(mistakeOf(() => readTokenFile(root))).toMatch(/is no file/)
  })

  it('are no pipes: they could not be read again', () => {
    const pipe = join(root, 'pipe')
    execFileSync('mkfifo', [pipe])
    expect(mistakeOf(() => readTokenFile(pipe))).toMatch(/is no file, a pipe perhaps/)
  })

  it('are of one identity each', () => {
    const first = file(A)
    const second = file(`${B}\n${A}`)
    const mistake = mistakeOf(() => tokens({ identity: shop, file: first }, { identity: ops, file: second }))
    expect(mistake).toBe(`${second} holds the same token as ${first}: each identity needs one of its own`)
  })

  it('are warned of where every user of the machine can read them', () => {
    const path = file(A)
    expect(readTokenFile(path).warning).toBeUndefined()
    chmodSync(path, 0o644)
    expect(readTokenFile(path).warning).toMatch(/can be read by every user of this machine.*chmod o-r/)
  })
})

describe('tokens that are replaced', () => {
  it('are good from then on, and the old ones are not', async () => {
    const path = file(A)
    const known = tokens({ identity: shop, file: path }, { identity: ops, file: file(B) })
    writeFileSync(`${path}.new`, `${A}\n${C}\n`)
    renameSync(`${path}.new`, path)
    await until(() => known.identify(C) !== undefined)
    expect(known.identify(A)).toEqual(shop)
    writeFileSync(path, C)
    await until(() => known.identify(A) === undefined)
    expect(known.identify(C)).toEqual(shop)
    expect(known.identify(B)).toEqual(ops)
    expect(JSON.stringify(told)).not.toMatch(/aaa|bbb|ccc/)
  })

  it('are found behind a symbolic link, as secrets are mounted', async () => {
    const link = join(root, 'link')
    symlinkSync(file(A), link)
    const known = tokens({ identity: shop, file: link })
    symlinkSync(file(B), `${link}.new`)
    renameSync(`${link}.new`, link)
    await until(() => known.identify(B) !== undefined)
    expect(known.identify(A)).toBeUndefined()
  })

  it('are nobody any more when their file is taken away or spoilt, until it is there again', async () => {
    const path = file(A)
    const known = tokens({ identity: shop, file: path }, { identity: ops, file: file(B) })
    unlinkSync(path)
    await until(() => known.identify(A) === undefined)
    expect(told).toContainEqual({ type: 'refused', text: expect.stringMatching(/can not be read: ENOENT/) })
    writeFileSync(path, 'short')
    await until(() => told.some(({ text }) => text.includes('of 5 characters')))
    writeFileSync(path, A)
    await until(() => known.identify(A) !== undefined)
    expect(known.identify(B)).toEqual(ops)
  })

  it('tell of an identity that was given whether its token is still there', async () => {
    const path = file(`${A}\n${B}\n`)
    const known = tokens({ identity: shop, file: path })
    const [byA, byB] = [known.identify(A), known.identify(B)]
    if (byA === undefined || byB === undefined) throw new Error('both are known')
    let rounds = 0
    known.onRevoked(() => (rounds += 1))
    writeFileSync(path, `${B}\n${C}\n`)
    await until(() => rounds > 0)
    expect([known.isGood(byA), known.isGood(byB)]).toEqual([false, true])
    expect(known.identify(B)).toBe(byB)
  })

  it('never become somebody else’s', async () => {
    const first = file(A)
    const second = file(B)
    const known = tokens({ identity: shop, file: first }, { identity: ops, file: second })
    writeFileSync(second, A)
    await until(() => told.some(({ type }) => type === 'refused'))
    expect(known.identify(A)).toEqual(shop)
    expect(known.identify(B)).toBeUndefined()
  })
})
