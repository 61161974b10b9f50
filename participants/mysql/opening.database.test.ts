/** What is refused at the attach, each with the sentence that mends it; and who may be at the other end (R10, R16). */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type DatabaseServer, startMariadb } from '../../src/demo/servers/index.ts'
import { freshLog } from '../testing/servers/fresh-log.ts'
import { openLedger, sql } from '../testing/servers/mysql.ts'
import { prepareSql } from '../testing/servers/postgres.ts'

let server: DatabaseServer
let counter = 0

beforeAll(async () => {
  server = await startMariadb()
})
afterAll(() => server.stop())

function database(): Promise<string> {
  counter += 1
  return server.createDatabase(`opening${counter}`)
}

async function refusalOf(url: string): Promise<string> {
  const participant = openLedger(url)
  try {
    await participant.describe()
  } catch (error) {
    expect(error).toMatchObject({ name: 'PledgedError' })
    return String(error)
  }
  throw new Error('the participant was to refuse, and did not')
}

describe('a server that would lose a pledge (R16)', () => {
  const settings: readonly (readonly [string, RegExp])[] = [
    [
      'innodb_flush_log_at_trx_commit = 2',
      /innodb_flush_log_at_trx_commit is 2, .*SET GLOBAL innodb_flush_log_at_trx_commit = 1/,
    ],
    ['innodb_flush_log_at_trx_commit = 0', /innodb_flush_log_at_trx_commit is 0/],
    ['read_only = 1', /the server is read_only/],
  ]
  it.each(settings)('with %s is refused, until that is mended', async (setting, sentence) => {
    const url = await database()
    const name = setting.split(' ')[0] ?? ''
    const participant = openLedger(url)
    await sql(server.url, `SET GLOBAL ${setting}`)
    onTestFinished(async () => {
      await sql(server.url, `SET GLOBAL ${name} = DEFAULT`)
    })
    await expect(participant.describe()).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringMatching(sentence) as string,
    })
    await sql(server.url, `SET GLOBAL ${name} = DEFAULT`)
    await participant.describe()
  })

  it('with an unsynced binary log is refused, and all mistakes are told at once', async () => {
    const logging = await startMariadb({
      settings: { log_bin: 'binlog', sync_binlog: '0', innodb_flush_log_at_trx_commit: '2' },
    })
    onTestFinished(() => logging.stop())
    const refusal = await refusalOf(await logging.createDatabase('stock'))
    expect(refusal).toMatch(/flush_log_at_trx_commit is 2.*; sync_binlog is 0 .*SET GLOBAL sync_binlog = 1/)
  })

  it('with a synced one pledges, through kill -9', async () => {
    const logging = await startMariadb({ settings: { log_bin: 'binlog', sync_binlog: '1' } })
    onTestFinished(() => logging.stop())
    const url = await logging.createDatabase('stock')
    await sql(url, 'CREATE TABLE accounts (id INT PRIMARY KEY)')
    const { xid } = freshLog()
    const participant = openLedger(url)
    await participant.describe()
    for (const id of [1, 2]) {
      const insert = `INSERT INTO accounts VALUES (${id})`
      expect(await prepareSql(participant, xid(id), [insert])).toEqual({ vote: 'yes' })
    }
    await logging.kill()
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'unknown' })
    await logging.start()
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
    expect(await participant.abort(xid(2))).toMatchObject({ result: 'done' })
    expect(await sql(url, 'SELECT id FROM accounts')).toEqual([{ id: 1 }])
  })
})

describe('a way in that is barred', () => {
  it('by a wrong password, or a database that is not there', async () => {
    const url = new URL(await database())
    const wrong = new URL(url)
    wrong.password = 'mistaken'
    const refusal = await refusalOf(wrong.href)
    expect(refusal).toMatch(/the user or the password is wrong: mend the url; Access denied for user/)
    expect(refusal).not.toContain('mistaken')
    expect(refusal).not.toContain(url.password)
    const admin = new URL(server.url)
    admin.pathname = '/nowhere'
    expect(await refusalOf(admin.href)).toMatch(
      /create the database, or mend the url; Unknown database 'nowhere'/,
    )
    url.pathname = '/mysql'
    expect(await refusalOf(url.href)).toMatch(/grant the user the database/)
  })

  it('by nobody there', async () => {
    const silent = createServer()
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    await new Promise((resolve) => silent.close(resolve))
    if (address === null || typeof address === 'string') throw new Error('it listened on a port')
    const participant = openLedger(`mysql://u:secret@127.0.0.1:${address.port}/d`)
    await expect(participant.describe()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/see that the server runs.*ECONNREFUSED/) as string,
    })
  })
})

describe('rights that are missing', () => {
  async function poorIn(url: string, ...grants: readonly string[]): Promise<string> {
    const name = new URL(url).pathname.slice(1)
    await sql(
      server.url,
      `CREATE USER poor_${name}@'%' IDENTIFIED BY 'poor'`,
      `GRANT SELECT ON ${name}.* TO poor_${name}@'%'`,
      ...grants.map((grant) => `GRANT ${grant} TO poor_${name}@'%'`),
    )
    const poor = new URL(url)
    ;[poor.username, poor.password] = [`poor_${name}`, 'poor']
    return poor.href
  }

  it('are told with what somebody is to run, which helps', async () => {
    const url = await database()
    const poor = await poorIn(url)
    const refusal = await refusalOf(poor)
    expect(refusal).toMatch(/pledged_witness is missing, and can not be made.*command denied/)
    const statements = refusal.slice(refusal.indexOf('CREATE TABLE')).split('; ')
    expect(statements).toHaveLength(6)
    const admin = new URL(server.url)
    admin.pathname = new URL(url).pathname
    await sql(admin.href, ...statements.slice(0, 3))
    expect(await refusalOf(poor)).toMatch(/can not be used: .*command denied.*GRANT SELECT, INSERT, DELETE/)
    await sql(admin.href, ...statements.slice(3))
    await openLedger(poor).describe()
  })

  it('for the work alone are a no vote', async () => {
    const url = await database()
    await openLedger(url).describe()
    await sql(url, 'CREATE TABLE accounts (id INT PRIMARY KEY)')
    const name = new URL(url).pathname.slice(1)
    const poor = await poorIn(
      url,
      ...['witness', 'logs', 'meta'].map((table) => `ALL ON ${name}.pledged_${table}`),
    )
    const participant = openLedger(poor)
    await participant.describe()
    const { xid } = freshLog()
    expect(await prepareSql(participant, xid(1), ['INSERT INTO accounts VALUES (1)'])).toMatchObject({
      vote: 'no',
      message: expect.stringMatching(/INSERT command denied to user/) as string,
    })
  })
})

describe('tables of Pledged', () => {
  it('of an engine without transactions are refused', async () => {
    const url = await database()
    await openLedger(url).describe()
    await sql(url, 'ALTER TABLE pledged_witness ENGINE=MyISAM')
    expect(await refusalOf(url)).toMatch(/ALTER TABLE pledged_witness ENGINE=InnoDB/)
  })

  it('are made once by many at the same time', async () => {
    const url = await database()
    const described = await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map((name) => openLedger(url, { name }).describe()),
    )
    expect(new Set(described.map(({ resourceId }) => resourceId)).size).toBe(1)
  })
})

describe('the database behind a name (R10)', () => {
  it('keeps its id through a restart, and another has another', async () => {
    const url = await database()
    const participant = openLedger(url)
    const { resourceId } = await participant.describe()
    expect((await openLedger(await database()).describe()).resourceId).not.toBe(resourceId)
    await server.kill()
    await server.start()
    expect((await participant.describe()).resourceId).toBe(resourceId)
    expect((await openLedger(url).describe()).resourceId).toBe(resourceId)
  })

  it('is asked who it is on every new connection', async () => {
    const url = await database()
    await sql(url, 'CREATE TABLE accounts (id INT PRIMARY KEY)')
    const participant = openLedger(url)
    await participant.describe()
    const { xid } = freshLog()
    // As after a restart with another directory.
    await sql(url, "UPDATE pledged_meta SET value = 'another'")
    await server.kill()
    await server.start()
    expect(await prepareSql(participant, xid(1), ['INSERT INTO accounts VALUES (1)'])).toMatchObject({
      vote: 'no',
      retryable: true,
      message: expect.stringMatching(/another database answers/) as string,
    })
    expect(await participant.abort(xid(1))).toMatchObject({ result: 'unknown' })
    expect((await participant.describe()).resourceId).toMatch(/^another\//)
  })
})

describe('TLS, by the parameters of the url', () => {
  it('is had from a server that has it, and checks what the mode says', async () => {
    const { own, other } = certificates()
    const secured = await startMariadb({ settings: tls(own) })
    onTestFinished(() => secured.stop())
    const url = await secured.createDatabase('secured')
    await sql(secured.url, "ALTER USER secured@'%' REQUIRE SSL")
    const opens = async (parameters: string, host = '127.0.0.1'): Promise<void> => {
      const participant = openLedger(`${url.replace('127.0.0.1', host)}?${parameters}`)
      await participant.describe()
      await participant.close()
    }
    await opens('ssl-mode=REQUIRED')
    await opens(`ssl-mode=VERIFY_CA&ssl-ca=${own}.crt`)
    await opens(`ssl-ca=${own}.crt`, 'localhost')
    const certificate = /certificate/
    expect(await refusalOf(`${url}?ssl-mode=VERIFY_CA`)).toMatch(certificate)
    expect(await refusalOf(`${url}?ssl-mode=VERIFY_CA&ssl-ca=${other}.crt`)).toMatch(certificate)
    expect(await refusalOf(url)).toMatch(/Access denied/)
    // Of another name than the one that was asked for.
    await secured.halt()
    await secured.start(tls(other))
    await opens(`ssl-mode=VERIFY_CA&ssl-ca=${other}.crt`)
    const elsewhere = `${url.replace('127.0.0.1', 'localhost')}?ssl-mode=VERIFY_IDENTITY&ssl-ca=${other}.crt`
    expect(await refusalOf(elsewhere)).toMatch(/altnames|does not match/)
  })

  it('is missed at a server that has none', async () => {
    expect(await refusalOf(`${await database()}?ssl-mode=REQUIRED`)).toMatch(/or the url another ssl-mode/)
  })

  /** `openssl req`: the files without .crt and .key. */
  function certificates(): { readonly own: string; readonly other: string } {
    const directory = mkdtempSync(join(tmpdir(), 'pledged-tls-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    chmodSync(directory, 0o755)
    const make = (name: string, subject: string): string => {
      const file = join(directory, name)
      const args = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${subject}`]
      const names = ['-addext', `subjectAltName=DNS:${subject}`]
      const files = ['-keyout', `${file}.key`, '-out', `${file}.crt`]
      execFileSync('openssl', ['req', ...args, ...names, ...files], { stdio: 'ignore' })
      chmodSync(`${file}.key`, 0o644)
      return file
    }
    return { own: make('own', 'localhost'), other: make('other', 'elsewhere.example') }
  }

  function tls(file: string): Readonly<Record<string, string>> {
    return { ssl_cert: `${file}.crt`, ssl_key: `${file}.key` }
  }
})
