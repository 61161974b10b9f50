import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parseDatabaseUrl } from './connection-url.ts'

const parse = (url: string) => parseDatabaseUrl(url, 'stock')

describe('the url of a database', () => {
  it('is taken apart', () => {
    expect(parse('mysql://u%40x:p%3Aw@localhost/shop')).toEqual({
      host: 'localhost',
      port: 3306,
      socket: undefined,
      user: 'u@x',
      password: 'p:w',
      database: 'shop',
      ssl: undefined,
    })
    expect(parse('mariadb://u@[::1]:4406/shop')).toMatchObject({ host: '::1', port: 4406, password: '' })
    expect(parse('mysql://u@db/shop?socket=/run/mysqld.sock')).toMatchObject({ socket: '/run/mysqld.sock' })
  })

  it.each(['mysql://me:?hunter2@db/d', 'mysql://me:7?hunter2=@db/d', 'mysql://me:7#hunter2@db/d'])(
    'shows nothing of a password that is not escaped: %s',
    (url) => {
      expect(() => parse(url)).toThrow(/names no user/)
      expect(() => parse(url)).not.toThrow(/hunter2/)
    },
  )

  it('asks for TLS by the parameters of the servers’ own clients', () => {
    const directory = mkdtempSync(join(tmpdir(), 'pledged-url-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const file = join(directory, 'ca.pem')
    writeFileSync(file, 'CA')
    const ssl = (parameters: string) => parse(`mysql://u@db.example/shop?${parameters}`).ssl
    expect(ssl('ssl-mode=disabled')).toBeUndefined()
    expect(ssl('ssl-mode=required')).toEqual({ rejectUnauthorized: false, verifyIdentity: false })
    expect(ssl(`ssl-mode=verify-ca&ssl-ca=${file}`)).toEqual({
      rejectUnauthorized: true,
      verifyIdentity: false,
      ca: Buffer.from('CA'),
    })
    expect(ssl(`ssl-ca=${file}&ssl-cert=${file}&ssl-key=${file}`)).toMatchObject({
      rejectUnauthorized: true,
      verifyIdentity: true,
      key: Buffer.from('CA'),
    })
  })

  it.each([
    ['postgres://u:secret@h/d', /not of the form mysql:/],
    ['mysql:u:secret@h/d', /not of the form mysql:/],
    ['mysql:\u{e000}://u:secret@h/d', /not of the form mysql:/],
    ['mysql://u:secret%E2@%82%AC/d', /not of the form|% that is not part of an escape/],
    ['mysql://%E2:%82%ACsecret@h/d', /% that is not part of an escape/],
    ['secret', /not of the form mysql:/],
    ['mysql://u:secret%@h/d', /% that is not part of an escape/],
    ['mysql://:secret@127.0.0.1/d', /names no user/],
    ['mysql://u:secret@127.0.0.1', /names no database/],
    ['mysql://u:secret@127.0.0.1/d?ssl-mode=PREFERRED', /ssl-mode "PREFERRED": use DISABLED/],
    ['mysql://u:secret@127.0.0.1/d?sslmode=x', /parameter sslmode, which is not one of/],
    ['mysql://u:secret@db.example/d', /without saying how the way there is secured/],
    ['mysql://u:secret@10.0.0.1/d?ssl-mode=VERIFY_IDENTITY', /compared with a name/],
    ['mysql://u:secret@h/d?ssl-ca=/nowhere', /ssl-ca that can not be read/],
  ])('%s is refused without a word of its password', (url, problem) => {
    let refusal: unknown
    try {
      parse(url)
    } catch (error) {
      refusal = error
    }
    expect(refusal).toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringMatching(problem) as string,
    })
    expect(String(refusal)).not.toContain('secret')
  })
})
