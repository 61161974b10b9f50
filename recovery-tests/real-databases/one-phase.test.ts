/**
 * R17 on the real databases: a transaction with one branch is committed by its database at once. Its answer is cut off
 * at each moment of that COMMIT, the daemon is killed before and after it, and the server in the middle. Whoever asks
 * again, by the same request, is told what the database did; no request is done twice.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CrashPoint } from '../../src/base/crash-points.ts'
import { type Coordinator, connect, OutcomeUnknownError } from '../../src/sdk/client/index.ts'
import { CUT_MOMENTS } from '../harness/cutting-proxy.ts'
import { DatabaseFleet } from './fleet.ts'
import { insertInto, PARTICIPANTS, type ParticipantName } from './work.ts'

const COMMIT = { ledger: 'COMMIT', stock: 'ONE PHASE' } as const
const KILL_AT = [
  'coordinator.append.posted',
  'coordinator.append.durable',
  'coordinator.vote.received',
] as const satisfies readonly CrashPoint[]
const WITHIN = { timeout: 30_000 }

const directory = mkdtempSync(join(tmpdir(), 'pledged-one-phase-'))
let fleet: DatabaseFleet

beforeAll(async () => {
  fleet = await DatabaseFleet.create({ directory })
  await fleet.start('inside')
}, 120_000)

afterAll(async () => {
  await fleet.end()
  rmSync(directory, { recursive: true, force: true })
}, 120_000)

describe.each(PARTICIPANTS)('%s', (name) => {
  it('commits at once: nothing is ever prepared', async () => {
    await using coordinator = connect({ address: fleet.address })
    const { proxy } = fleet.databases[name]
    proxy.deny(name === 'ledger' ? 'PREPARE TRANSACTION' : 'XA PREPARE')
    const rows = await rowsAt(name)
    expect(await outcomeOf(coordinator, name, `plain-${name}`)).toBe('committed')
    proxy.permit()
    expect(await rowsAt(name)).toBe(rows + 1)
  })

  it.each(CUT_MOMENTS)('its connection is cut at its COMMIT: %s', async (moment) => {
    await using coordinator = connect({ address: fleet.address })
    const rows = await rowsAt(name)
    const cut = fleet.databases[name].proxy.cutNext({ text: COMMIT[name], moment })
    const outcome = await outcomeOf(coordinator, name, `cut-${moment}-${name}`)
    await cut
    expect(outcome).toBe(moment === 'before' ? 'aborted' : 'committed')
    expect(await rowsAt(name)).toBe(rows + (outcome === 'committed' ? 1 : 0))
  })

  it.each(KILL_AT)('the daemon is killed at %s', async (point) => {
    await using coordinator = connect({ address: fleet.address })
    const rows = await rowsAt(name)
    const daemon = fleet.process('daemon')
    await daemon.arm(point, { after: 1 })
    const asked = outcomeOf(coordinator, name, `killed-${point}-${name}`)
    await daemon.exited
    fleet.forget('daemon')
    fleet.startDaemon()
    await fleet.untilUp()
    const outcome = await asked
    expect(await rowsAt(name)).toBe(rows + (outcome === 'committed' ? 1 : 0))
    // After its vote had come in, it had committed.
    if (point === 'coordinator.vote.received') expect(outcome).toBe('committed')
  })

  it('the server is killed when the work has arrived', async () => {
    await using coordinator = connect({ address: fleet.address })
    const rows = await rowsAt(name)
    const { server } = fleet.databases[name]
    await fleet.process('daemon').arm('coordinator.prepare.after-send', { after: 1, kill: server.pid })
    const asked = outcomeOf(coordinator, name, `server-${name}`)
    await expect.poll(() => server.running, WITHIN).toBe(false)
    await server.start()
    const outcome = await asked
    await fleet.untilUp()
    expect(await rowsAt(name)).toBe(rows + (outcome === 'committed' ? 1 : 0))
  })

  it('leaves nothing in doubt', async () => {
    await expect.poll(() => fleet.databases[name].prepared(), WITHIN).toEqual([])
    await expect.poll(async () => (await fleet.ask('check'))['in_doubt'], WITHIN).toBe(0)
    expect((await fleet.ask('check'))['heuristics']).toBe(0)
  })
})

/** Asks by the same request until the answer is one. */
async function outcomeOf(coordinator: Coordinator, name: ParticipantName, requestId: string) {
  const deadlineMs = performance.now() + 60_000
  while (true) {
    try {
      const { outcome } = await coordinator.execute([insertInto(name)], { requestId, timeoutMs: 20_000 })
      return outcome
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError) || performance.now() > deadlineMs) throw error
    }
  }
}

async function rowsAt(name: ParticipantName): Promise<number> {
  const [row] = await fleet.databases[name].query('SELECT count(*) AS n FROM events')
  return Number(row?.['n'])
}
