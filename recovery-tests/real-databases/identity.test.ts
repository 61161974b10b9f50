/** A name is bound to the database that it was first seen with (R10): another one under it is refused, in a sentence. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../src/sdk/client/index.ts'
import { only } from '../harness/test-database.ts'
import { DatabaseFleet } from './fleet.ts'
import { insertInto, PARTICIPANTS } from './work.ts'

const WITHIN = { timeout: 30_000 }
const COMMIT = { ledger: 'COMMIT PREPARED', stock: 'XA COMMIT' } as const

const directory = mkdtempSync(join(tmpdir(), 'pledged-identity-'))
let fleet: DatabaseFleet

beforeAll(async () => {
  fleet = await DatabaseFleet.create({ directory })
}, 120_000)

afterAll(async () => {
  await fleet.end()
  rmSync(directory, { recursive: true, force: true })
}, 120_000)

describe.each(PARTICIPANTS)('another database as %s', (name) => {
  it.each(['inside', 'outside'] as const)(
    'is refused, %s, and the first one gets what it is owed',
    async (layout) => {
      const database = fleet.databases[name]
      await fleet.start(layout)
      const before = await rows()
      database.proxy.deny(COMMIT[name])
      const { xid } = await execute()
      await fleet.kill('daemon')
      await fleet.stop()
      database.proxy.permit()

      fleet.giveUrl(name, await otherDatabase(layout))
      fleet.startDaemon()
      if (layout === 'outside') for (const one of PARTICIPANTS) fleet.startParticipant(one)
      await expect
        .poll(async () => (await statusOf())['last_error'], WITHIN)
        .toMatch(/is bound to resource .*, and this is .*: give the other resource a name of its own/)
      expect((await statusOf())['up']).toBe(false)
      expect(await database.prepared()).toEqual([expect.stringContaining(xid)])
      // An orderly end would wait for a delivery that can't be made.
      await fleet.kill('daemon')
      await fleet.stop()

      fleet.giveUrl(name, database.participantUrl)
      await fleet.start(layout)
      await expect.poll(() => database.prepared(), WITHIN).toEqual([])
      expect(await rows()).toBe(before + 1)
      await fleet.stop()
    },
  )

  async function rows(): Promise<number> {
    return Number(only(await fleet.databases[name].query('SELECT count(*) AS n FROM events'))['n'])
  }

  /** Two branches, so that it is not decided in one phase. */
  async function execute(): Promise<{ xid: string }> {
    await using coordinator = connect({ address: fleet.address })
    const executed = await coordinator.execute([insertInto('ledger'), insertInto('stock')])
    expect(executed.outcome).toBe('committed')
    return executed
  }

  /** In the same server: a mistake in a URL. */
  async function otherDatabase(suffix: string): Promise<string> {
    const url = await fleet.databases[name].server.createDatabase(`other_${suffix}`)
    return fleet.databases[name].proxy.through(url)
  }

  async function statusOf(): Promise<Record<string, unknown>> {
    const { participants } = await fleet.ask('participant', 'list')
    const list = (participants ?? []) as Record<string, unknown>[]
    return list.find((one) => one['name'] === name) ?? {}
  }
})
