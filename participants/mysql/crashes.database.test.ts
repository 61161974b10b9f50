/** Processes that die and connections that hang while the server is at work: nothing of theirs stays prepared. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type DatabaseServer, startMariadb } from '../../src/demo/servers/index.ts'
import type { Participant, Xid } from '../../src/sdk/participant/index.ts'
import { freshLog } from '../testing/servers/fresh-log.ts'
import { consoleAt, endXa, openLedger, sql } from '../testing/servers/mysql.ts'
import { LEDGER, prepareSql } from '../testing/servers/postgres.ts'

const INSERT = 'INSERT INTO accounts VALUES (3, 1)'

let server: DatabaseServer
let counter = 0

// Of its own: FLUSH TABLES WITH READ LOCK stops everyone.
beforeAll(async () => {
  server = await startMariadb({ settings: { innodb_rollback_on_timeout: 'ON' } })
})
afterAll(() => server.stop())

async function seeded(): Promise<string> {
  counter += 1
  const url = await server.createDatabase(`crashes${counter}`)
  await sql(
    url,
    'CREATE TABLE accounts (id INT PRIMARY KEY, balance INT)',
    'INSERT INTO accounts VALUES (1, 1), (2, 1)',
  )
  return url
}

async function opened(url: string): Promise<Participant> {
  const participant = openLedger(url)
  await participant.describe()
  return participant
}

async function ended(participant: Participant, verb: 'commit' | 'abort', xid: Xid): Promise<void> {
  await expect.poll(async () => (await participant[verb](xid)).result, { timeout: 30_000 }).toMatch(/^done/)
}

async function rowsIn(url: string): Promise<number> {
  return (await sql(url, 'SELECT id FROM accounts')).length
}

async function prepared(): Promise<number> {
  return (await sql(server.url, 'XA RECOVER')).length
}

/** Until one session is at this statement. */
async function running(like: string): Promise<void> {
  const pattern = like.replaceAll("'", "''")
  await expect
    .poll(
      () => sql(server.url, `SELECT id FROM information_schema.processlist WHERE info LIKE '${pattern}'`),
      {
        timeout: 20_000,
      },
    )
    .toHaveLength(1)
}

function preparing(url: string, xid: Xid): ChildProcess {
  const script = join(import.meta.dirname, '../testing/servers/mysql-preparing-process.ts')
  const work = JSON.stringify({ name: LEDGER, url, xid, sql: INSERT })
  const child = spawn(process.execPath, [script, work], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

describe('kill -9 of the process that prepares', () => {
  it('while XA PREPARE is running at the server: whatever became of it is aborted', async () => {
    const url = await seeded()
    const { xid } = freshLog()
    const participant = await opened(url)
    const [holder, barrier] = [await consoleAt(url), await consoleAt(server.url)]
    await holder.query('START TRANSACTION')
    await holder.query(INSERT)
    const child = preparing(url, xid(1))
    await running(INSERT)
    await barrier.query('BACKUP STAGE START')
    await barrier.query('BACKUP STAGE BLOCK_COMMIT')
    await holder.query('ROLLBACK')
    await running(`XA PREPARE '%${xid(1)}%`)
    child.kill('SIGKILL')
    await once(child, 'exit')
    // The abort finds nothing, or waits for the witness: it is asked again.
    const early = participant.abort(xid(1))
    await barrier.query('BACKUP STAGE END')
    expect(['unknown', 'done', 'done_before']).toContain((await early).result)
    await ended(participant, 'abort', xid(1))
    expect(await rowsIn(url)).toBe(2)
    await expect.poll(prepared).toBe(0)
  })

  it('after its vote: the branch is still there, and either verb ends it', async () => {
    for (const verb of ['commit', 'abort'] as const) {
      const url = await seeded()
      const { xid } = freshLog()
      const child = preparing(url, xid(1))
      let said = ''
      child.stdout?.on('data', (data: Buffer) => {
        said += data.toString()
      })
      await expect.poll(() => said, { timeout: 20_000 }).toContain('yes')
      child.kill('SIGKILL')
      const participant = await opened(url)
      await ended(participant, verb, xid(1))
      expect(await rowsIn(url)).toBe(verb === 'commit' ? 3 : 2)
    }
    expect(await prepared()).toBe(0)
  })
})

describe('a prepare that the abort overtakes', () => {
  it('leaves nothing prepared', async () => {
    const url = await seeded()
    const { xid } = freshLog()
    const [one, two] = [await opened(url), await opened(url)]
    const holder = await consoleAt(url)
    await holder.query('START TRANSACTION')
    await holder.query(INSERT)
    const voting = prepareSql(one, xid(1), [INSERT])
    await running(INSERT)
    await ended(two, 'abort', xid(1))
    await holder.query('ROLLBACK')
    expect(await voting).toMatchObject({ vote: 'no' })
    expect(await prepared()).toBe(0)
    expect(await rowsIn(url)).toBe(2)
  })
})

describe('a server that rolls back the whole transaction at a lock timeout', () => {
  it('gets no half of a branch prepared, though a routine swallowed the timeout', async () => {
    const url = await seeded()
    const { xid } = freshLog()
    await sql(
      url,
      `CREATE FUNCTION swallow(n INT) RETURNS INT MODIFIES SQL DATA BEGIN
         DECLARE CONTINUE HANDLER FOR 1205 RETURN 0;
         UPDATE accounts SET balance = balance + 1 WHERE id = n; RETURN 1; END`,
    )
    const holder = await consoleAt(url)
    await holder.query('START TRANSACTION')
    await holder.query('UPDATE accounts SET balance = 7 WHERE id = 2')
    const participant = openLedger(url, { lockTimeoutMs: 1_000 })
    await participant.describe()
    const voted = await prepareSql(participant, xid(1), [
      'UPDATE accounts SET balance = 8 WHERE id = 1',
      'SELECT swallow(2)',
      INSERT,
    ])
    expect(voted).toMatchObject({ vote: 'no' })
    await holder.query('ROLLBACK')
    expect(await sql(url, 'SELECT balance FROM accounts')).toEqual([{ balance: 1 }, { balance: 1 }])
    expect(await prepared()).toBe(0)
  })
})

describe('kill -9 of the server', () => {
  it('with branches prepared: they are still there, and end as decided', async () => {
    const url = await seeded()
    const { xid } = freshLog()
    const participant = await opened(url)
    for (const id of [1, 2, 3, 4]) {
      const insert = `INSERT INTO accounts VALUES (${id + 10}, 1)`
      expect(await prepareSql(participant, xid(id), [insert])).toEqual({ vote: 'yes' })
    }
    await server.kill()
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'unknown', evidence: 'none' })
    expect(await participant.abort(xid(2))).toMatchObject({ result: 'unknown' })
    await expect(participant.listPrepared(10, '')).rejects.toThrow(/ECONNREFUSED/)
    await expect(participant.evidence?.(xid(1))).rejects.toThrow(/ECONNREFUSED/)
    expect(await prepareSql(participant, xid(9), [INSERT])).toMatchObject({ vote: 'no', retryable: true })
    await server.start()
    const held = await participant.listPrepared(10, '')
    expect(held.branches.map((branch) => branch.xid)).toEqual([xid(1), xid(2), xid(3), xid(4)])
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
    expect(await participant.abort(xid(2))).toMatchObject({ result: 'done' })
    const another = await opened(url)
    expect(await another.commit(xid(3))).toMatchObject({ result: 'done' })
    expect(await participant.commit(xid(3))).toMatchObject({ result: 'done_before' })
    await endXa(url, 'commit', xid(4))
    expect(await participant.commit(xid(4))).toMatchObject({ result: 'done_before' })
    expect(await sql(url, 'SELECT id FROM accounts WHERE id > 10')).toEqual([
      { id: 11 },
      { id: 13 },
      { id: 14 },
    ])
    expect(await prepared()).toBe(0)
  })
})

describe('a session that hangs on at the server', () => {
  it('of a client that nobody hears of any more is ended, and its branch with it', async () => {
    const url = await seeded()
    for (const verb of ['commit', 'abort'] as const) {
      const { xid } = freshLog()
      const path = await pathTo(server.port)
      const behind = new URL(url)
      behind.port = String(path.port)
      const gone = await opened(behind.href)
      const insert = `INSERT INTO accounts VALUES (${verb === 'commit' ? 21 : 22}, 1)`
      expect(await prepareSql(gone, xid(1), [insert])).toEqual({ vote: 'yes' })
      path.goQuiet()
      const participant = await opened(url)
      expect(await participant[verb](xid(1))).toMatchObject({ result: 'done' })
      path.close()
    }
    expect(await sql(url, 'SELECT id FROM accounts WHERE id > 20')).toEqual([{ id: 21 }])
    expect(await prepared()).toBe(0)
  })

  it('is left alone where it is a person’s at work on the branch', async () => {
    const url = await seeded()
    const { xid } = freshLog()
    const participant = await opened(url)
    const console = await consoleAt(url)
    const name = `'pledged/${xid(1)}','${LEDGER}'`
    await console.query(`XA START ${name}`)
    await console.query(INSERT)
    await console.query(`XA END ${name}`)
    await console.query(`XA PREPARE ${name}`)
    // Without a witness nobody knows whose session it is.
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'unknown' })
    await console.query(`XA ROLLBACK ${name}`)
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'broken', evidence: 'no_witness' })
  })

  it('an answer that was cut off is asked for again', async () => {
    const url = await seeded()
    const { xid } = freshLog()
    const path = await pathTo(server.port)
    const behind = new URL(url)
    behind.port = String(path.port)
    const participant = openLedger(behind.href, { limits: { answerTimeoutMs: 500, connectTimeoutMs: 500 } })
    await participant.describe()
    expect(await prepareSql(participant, xid(1), [INSERT])).toEqual({ vote: 'yes' })
    path.loseAnswers()
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'unknown' })
    path.heal()
    await ended(participant, 'commit', xid(1))
    expect(await participant.commit(xid(1))).toMatchObject({
      result: 'done_before',
      evidence: 'witness_committed',
    })
    expect(await rowsIn(url)).toBe(3)
    path.close()
  })
})

describe('one phase (R17)', () => {
  it('whose answer was lost has an unknown outcome, which the witness tells', async () => {
    const url = await seeded()
    const { xid } = freshLog()
    const path = await pathTo(server.port)
    const behind = new URL(url)
    behind.port = String(path.port)
    const participant = openLedger(behind.href, { limits: { answerTimeoutMs: 500 } })
    await participant.describe()
    path.loseAnswersAfter('ONE PHASE')
    await expect(prepareSql(participant, xid(1), [INSERT], { onePhase: true })).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    })
    path.heal()
    const other = await opened(url)
    await expect.poll(async () => (await other.abort(xid(1))).result, { timeout: 20_000 }).toBe('broken')
    expect(await other.evidence?.(xid(1))).toBe('witness_committed')
    expect(await rowsIn(url)).toBe(3)
    path.close()
  })
})

interface Path {
  readonly port: number
  /** Nothing passes any more, and neither end hears of it. */
  goQuiet(): void
  /** What the client asks still arrives; the answers don't. */
  loseAnswers(): void
  /** From the moment at which the client says this. */
  loseAnswersAfter(text: string): void
  /** For new connections; those that hang stay so. */
  heal(): void
  close(): void
}

/** A network between the participant and its server. */
async function pathTo(port: number): Promise<Path> {
  let trigger: string | undefined
  let answersPass = true
  let quiet = false
  const sockets = new Set<Socket>()
  const listener = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    let isCut = false
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        if (!quiet) [client, upstream].forEach((end) => end.destroy())
      })
    }
    client.on('data', (data) => {
      if (trigger !== undefined && data.includes(trigger)) answersPass = false
      if (!quiet) upstream.write(data)
    })
    upstream.on('data', (data) => {
      isCut ||= !answersPass
      if (!quiet && !isCut) client.write(data)
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const close = (): void => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  }
  onTestFinished(close)
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('it listens on a port')
  return {
    port: address.port,
    goQuiet: () => {
      quiet = true
    },
    loseAnswers: () => {
      answersPass = false
    },
    loseAnswersAfter: (text) => {
      trigger = text
    },
    heal: () => {
      trigger = undefined
      answersPass = true
    },
    close,
  }
}
