import type { Database } from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { systemClock, systemRandom } from '../../base/ports.ts'
import { appended, xidsOf } from '../conformance/index.ts'
import { decision } from '../sample-records.ts'
import { logFiles } from './files.ts'
import type { Migration } from './migrations.ts'
import { MIGRATIONS } from './migrations.ts'
import { openEngine } from './opening.ts'
import { logIn, place } from './test-places.ts'
import { defaultTuning } from './tuning.ts'

const LATER = MIGRATIONS.length + 1

/** As a later version of Pledged would, on a log that this one wrote. */
function openWith(directory: string, migrations: readonly Migration[]) {
  const files = logFiles(directory)
  return openEngine(
    { files, random: systemRandom, clock: systemClock, tuning: defaultTuning, migrations },
    () => {},
  )
}

async function logOfThisVersion(): Promise<string> {
  const log = logIn(place())
  const xid = xidsOf(await log.open())
  await appended(log, decision(xid(1)))
  await log.close()
  return log.directory
}

const addTable: Migration = (database: Database) => database.exec('CREATE TABLE added (name TEXT) STRICT')

describe('a log of an older format', () => {
  test('is brought forward once, in steps, with all that it holds', async () => {
    const directory = await logOfThisVersion()
    const steps: number[] = []
    const later: readonly Migration[] = [
      ...MIGRATIONS,
      (database, drawLogId) => {
        steps.push(LATER)
        addTable(database, drawLogId)
      },
      (database) => {
        steps.push(LATER + 1)
        database.exec(`INSERT INTO added SELECT 'record ' || position FROM records`)
      },
    ]
    const first = openWith(directory, later)
    expect(first.opened.unended).toHaveLength(1)
    first.engine.close()
    const second = openWith(directory, later)
    expect(second.opened.unended).toHaveLength(1)
    second.engine.close()
    expect(steps).toEqual([LATER, LATER + 1])
  })

  test('stays as it was where a step fails', async () => {
    const directory = await logOfThisVersion()
    const failing: readonly Migration[] = [
      ...MIGRATIONS,
      (database, drawLogId) => {
        addTable(database, drawLogId)
        throw new Error('no room for the new table')
      },
    ]
    expect(() => openWith(directory, failing)).toThrow(/no room for the new table/)
    const log = logIn(directory)
    expect((await log.open()).unended).toHaveLength(1)
    await log.close()
  })
})

test('a log of a newer format is refused, with what to do', async () => {
  const directory = await logOfThisVersion()
  openWith(directory, [...MIGRATIONS, addTable]).engine.close()
  const log = logIn(directory)
  await expect(log.open()).rejects.toMatchObject({
    code: 'LOG_UNREADABLE',
    message: expect.stringContaining(
      `has format ${LATER}, and this version of Pledged reads formats up to ${LATER - 1}: use`,
    ),
  })
})
