import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import type { PledgedError } from '../../base/errors.ts'
import type { Xid } from '../../base/ids.ts'
import { refused, xidsOf } from '../conformance/index.ts'
import { decision, end } from '../sample-records.ts'
import { logFiles } from './files.ts'
import { crashedCopy, logIn, openIn, place, write } from './test-places.ts'
import { verifyLog } from './verify.ts'

interface Made {
  readonly directory: string
  readonly xid: (sequence: number) => Xid
}

/** A log with `count` decisions, closed. Its records: the epoch, then one per decision. */
function closedLog(count = 5): Made {
  const directory = place()
  const { engine, opened } = openIn(directory)
  const xid = xidsOf(opened)
  for (let sequence = 1; sequence <= count; sequence += 1) write(engine, decision(xid(sequence)))
  engine.close()
  return { directory, xid }
}

/** Long enough that an opening doesn't read its beginning. */
function longLog(): Made {
  const directory = place()
  const { engine, opened } = openIn(directory, { synchronousNormal: true })
  const xid = xidsOf(opened)
  for (let sequence = 1; sequence <= 200; sequence += 1) {
    write(engine, decision(xid(sequence)), end(xid(sequence)))
  }
  engine.close()
  return { directory, xid }
}

/** A log with five decisions, and its process killed. */
function killedLog(decisions = 5): string {
  const directory = place()
  const { engine, opened } = openIn(directory)
  const xid = xidsOf(opened)
  for (let sequence = 1; sequence <= decisions; sequence += 1) write(engine, decision(xid(sequence)))
  const copy = crashedCopy(directory)
  engine.close()
  return copy
}

function sql(directory: string, statement: string): void {
  const database = new Database(logFiles(directory).main)
  try {
    database.exec(statement)
  } finally {
    database.close()
  }
}

/** Changes one byte of the first occurrence of a text in a file. */
function flip(path: string, text: string): void {
  const bytes = readFileSync(path)
  const at = bytes.indexOf(text)
  expect(at, `${text} is in ${path}`).toBeGreaterThan(0)
  bytes[at + text.length - 1] = (bytes[at + text.length - 1] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

function refusal(directory: string): PledgedError {
  try {
    openIn(directory).engine.close()
  } catch (error) {
    return error as PledgedError
  }
  return expect.unreachable('the opening must be refused')
}

/**
 * What the opening says, without the directory. Twice: a refusal must not make the next opening succeed. And
 * `verify` sees it as well.
 */
function damage(directory: string): string {
  const sentences = []
  for (const _ of ['first', 'second']) {
    const problems = verifyLog(directory).problems
    const { code, message } = refusal(directory)
    expect(code).toBe('LOG_DAMAGED')
    expect(message).toMatch(/ restore a backup of the log into another one$/)
    const sentence = message.replace(/^the log in (.*) is damaged: (.*)\. Decisions may be missing.*$/s, '$2')
    expect(problems.some((problem) => problem === sentence)).toBe(true)
    sentences.push(sentence)
  }
  return sentences.join('\n')
}

describe('R7: refused is', () => {
  test('a record that was changed by SQL', () => {
    const { directory } = closedLog()
    sql(directory, `UPDATE records SET body = replace(body, 'alice', 'malice') WHERE position = 3`)
    expect(damage(directory)).toMatch(/record 3 or the one before it was changed/)
  })

  test('a byte that was changed in the file', () => {
    const { directory, xid } = closedLog()
    flip(logFiles(directory).main, `"xid":"${xid(2)}`)
    expect(damage(directory)).toMatch(/record 3 or the one before it was changed/)
  })

  test('a column that differs from its record', () => {
    const { directory } = closedLog()
    sql(directory, 'UPDATE records SET sequence = 77 WHERE position = 3')
    expect(damage(directory)).toMatch(/record 3 was changed: its columns differ/)
  })

  test('a record that was removed, also the last one of a closed log', () => {
    const middle = closedLog()
    sql(middle.directory, 'DELETE FROM records WHERE position = 3')
    expect(damage(middle.directory)).toMatch(/record 3 is missing/)
    const last = closedLog()
    sql(last.directory, 'DELETE FROM records WHERE position = 6')
    expect(damage(last.directory)).toMatch(/its last record is 5, and it was closed with 6/)
  })

  test('a changed meta row', () => {
    const { directory } = closedLog()
    sql(directory, `UPDATE meta SET body = replace(body, '"position":0', '"position":2')`)
    expect(damage(directory)).toMatch(/its meta row was changed/)
  })

  test('a missing or an empty WAL of a killed log', () => {
    const missing = killedLog()
    rmSync(logFiles(missing).wal)
    expect(damage(missing)).toMatch(/pledged\.db-wal is (missing|empty), and the log was not closed/)
    const empty = killedLog()
    truncateSync(logFiles(empty).wal)
    expect(damage(empty)).toMatch(/pledged\.db-wal is (missing|empty), and the log was not closed/)
  })

  test('a missing WAL, even right after the opening', () => {
    const directory = killedLog(0)
    expect(statSync(logFiles(directory).wal).size).toBeGreaterThan(0)
    rmSync(logFiles(directory).wal)
    expect(damage(directory)).toMatch(/the log was not closed/)
  })

  test('a main file that was cut short', () => {
    const { directory } = closedLog(200)
    const { main } = logFiles(directory)
    truncateSync(main, Math.floor(statSync(main).size / 2))
    expect(damage(directory)).toMatch(/was cut short/)
    truncateSync(main, 20)
    expect(damage(directory)).toMatch(/was cut short/)
  })

  test('an emptied or a missing main file, where there was a log', () => {
    const { directory } = closedLog()
    const { main } = logFiles(directory)
    truncateSync(main)
    expect(damage(directory)).toMatch(/pledged\.db is empty, and pledged\.lock says that a log was in it/)
    rmSync(main)
    expect(damage(directory)).toMatch(/pledged\.db is missing/)
  })

  test('a main file of another kind', () => {
    const text = closedLog()
    writeFileSync(logFiles(text.directory).main, 'this is not a database, whatever it is called\n'.repeat(10))
    expect(damage(text.directory)).toMatch(/doesn't begin as a SQLite file does/)
    const foreign = closedLog()
    rmSync(logFiles(foreign.directory).main)
    sql(foreign.directory, 'CREATE TABLE customers (name TEXT)')
    expect(damage(foreign.directory)).toMatch(/it is a database, but not a log/)
  })

  test("another log's main file", () => {
    const [one, other] = [closedLog(), closedLog()]
    writeFileSync(logFiles(one.directory).main, readFileSync(logFiles(other.directory).main))
    expect(damage(one.directory)).toMatch(/pledged\.lock says that/)
  })
})

describe('R7', () => {
  test('a refused log is left as it was found', async () => {
    const directory = killedLog()
    const { main, wal } = logFiles(directory)
    const other = closedLog()
    writeFileSync(logFiles(directory).lock, readFileSync(logFiles(other.directory).lock))
    const before = readFileSync(wal)
    expect(refusal(directory).code).toBe('LOG_DAMAGED')
    expect(readFileSync(wal).equals(before)).toBe(true)
    rmSync(logFiles(directory).lock)
    expect(statSync(main).size).toBeGreaterThan(0)
    const log = logIn(directory)
    expect((await log.open()).unended).toHaveLength(5)
    await log.close()
  })

  test('a lock file that was deleted is made again, for the log that is there', async () => {
    const { directory } = closedLog()
    rmSync(logFiles(directory).lock)
    const log = logIn(directory)
    expect((await log.open()).unended).toHaveLength(5)
    await log.close()
    truncateSync(logFiles(directory).main)
    expect(refusal(directory).code).toBe('LOG_DAMAGED')
  })

  test('damage in what an opening does not read is found behind it, told, and poisons', async () => {
    const { directory, xid } = longLog()
    damageDecision(directory, 10)
    let tell: (damage: PledgedError) => void
    const told = new Promise<PledgedError>((resolve) => {
      tell = resolve
    })
    const log = logIn(directory, { onDamage: (damage) => tell(damage) })
    await log.open()
    const damage = await told
    expect(damage.code).toBe('LOG_DAMAGED')
    expect(damage.message).toMatch(/record \d+ or the one before it was changed/)
    const failure = await refused(log, decision(xid(201)))
    expect(failure).toMatchObject({ code: 'LOG_UNWRITABLE' })
    expect(failure?.message).toMatch(/it is damaged: record \d+/)
    await log.close()
    expect(verifyLog(directory).problems.join()).toMatch(/record \d+ or the one before/)
  })

  test('a damaged record is not answered', async () => {
    const { directory, xid } = longLog()
    damageDecision(directory, 10)
    const log = logIn(directory)
    await log.open()
    await expect(log.findTransaction(xid(10))).rejects.toMatchObject({ code: 'LOG_DAMAGED' })
    await log.close()
  })
})

function damageDecision(directory: string, sequence: number): void {
  const which = `sequence = ${sequence} AND body LIKE '%"decision"%'`
  sql(directory, `UPDATE records SET body = replace(body, 'alice', 'malice') WHERE ${which}`)
}
