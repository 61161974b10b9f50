import { describe, expect, it } from 'vitest'
import { parseDatabaseUrl } from './connection-url.ts'
import { GID_BYTES_MAX, gidOf } from './names.ts'

const parse = (url: string) => parseDatabaseUrl(url, 'ledger')

describe('parseDatabaseUrl', () => {
  it('reads all of it', () => {
    expect(parse('postgres://me:p%40ss%2Fword@127.0.0.1:6000/d%20b')).toEqual({
      host: '127.0.0.1',
      port: 6000,
      user: 'me',
      password: 'p@ss/word',
      database: 'd b',
      ssl: false,
    })
    expect(parse('postgresql://me@[::1]')).toMatchObject({
      host: '::1',
      port: 5432,
      database: 'me',
      password: '',
    })
    expect(parse('postgres://me@/db?host=/run/postgresql')).toMatchObject({
      host: '/run/postgresql',
      database: 'db',
    })
    expect(parse('postgres://me@%2Frun%2Fpostgresql/db')).toMatchObject({ host: '/run/postgresql' })
  })

  it.each(['postgres://me:?hunter2@db/d', 'postgres://me:7?hunter2=@db/d', 'postgres://me:7#hunter2@db/d'])(
    'shows nothing of a password that is not escaped: %s',
    (url) => {
      expect(() => parse(url)).toThrow(/names no user/)
      expect(() => parse(url)).not.toThrow(/hunter2/)
    },
  )

  it('takes sslmode as libpq does', () => {
    expect(parse('postgres://me@db.example/d?sslmode=disable').ssl).toBe(false)
    expect(parse('postgres://me@db.example/d?sslmode=require').ssl).toMatchObject({
      rejectUnauthorized: false,
    })
    expect(parse('postgres://me@db.example/d?sslmode=verify-full&sslrootcert=system').ssl).toEqual({
      rejectUnauthorized: true,
    })
  })

  it.each([
    ['mysql://me:secret@127.0.0.1/db', 'is not of the form postgres://'],
    ['postgres:me:secret@127.0.0.1/db', 'is not of the form postgres://'],
    ['postgres:\u{e000}://me:secret@127.0.0.1/db', 'is not of the form postgres://'],
    ['postgres://%E2:%82%ACsecret@127.0.0.1/db', 'write it %25'],
    ['secret', 'is not of the form'],
    ['postgres://127.0.0.1/db', 'names no user'],
    ['postgres://me:secret@/db', 'names no host'],
    ['postgres://me:%zz@127.0.0.1/db', 'write it %25'],
    ['postgres://me:secret@db.example/d', 'add sslmode=verify-full'],
    ['postgres://me:secret@db.example/d?sslmode=prefer', 'use disable, require, verify-ca, verify-full'],
    [
      'postgres://me:secret@127.0.0.1/d?sslmode=require&sslrootcert=/nowhere.crt',
      'sslrootcert that can not be read',
    ],
    ['postgres://me:secret@127.0.0.1/d?options=-cfsync%3Doff', 'the parameter options'],
    [
      'postgres://:secret@db.example/d?x=1',
      'the parameter x, which is not one of host, sslmode, sslrootcert, sslcert, sslkey; and it names no user',
    ],
  ])('refuses %s', (url, mistake) => {
    let message = ''
    try {
      parse(url)
    } catch (error) {
      message = String(error)
    }
    expect(message).toContain('the url of participant "ledger"')
    expect(message).toContain(mistake)
    expect(message).not.toContain('secret')
  })
})

describe('gidOf', () => {
  it('fits PostgreSQL with the longest names there are', () => {
    const xid = `${'z'.repeat(12)}.999999999-zzzz.${'9'.repeat(15)}` as Parameters<typeof gidOf>[0]
    expect(gidOf(xid, 'a'.repeat(32)).length).toBeLessThan(GID_BYTES_MAX)
    expect(() => gidOf(xid, 'a'.repeat(200))).toThrow(/within its bytes/)
  })
})
