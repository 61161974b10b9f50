/**
 * R11 on real processes: a data directory that was put back from an old copy is found out by the participants, which
 * have seen a newer epoch of its log. It then decides nothing and presumes nothing, after every restart as well.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, it } from 'vitest'
import { type Coordinator, connect, PledgedError } from '../../src/sdk/client/index.ts'
import { DaemonUnderTest, pledged } from '../harness/pledged.ts'

const root = mkdtempSync(join(tmpdir(), 'pledged-old-copy-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const insert = (id: number) => ({
  participant: 'sink',
  work: { statements: [{ sql: 'INSERT INTO t VALUES (?)', params: [id] }] },
})

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt
    return 'none'
  } catch (error) {
    return PledgedError.from(error).code
  }
}

/** It asks until the participants have spoken: until then the daemon does not know. */
async function untilRefused(coordinator: Coordinator): Promise<void> {
  for (let id = 1_000; id < 2_000; id += 1) {
    if ((await codeOf(coordinator.execute([insert(id)]))) === 'EPOCH_SUPERSEDED') return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the old copy was not found out')
}

it('is found out at its first contact, and presumes nothing from then on', async () => {
  const daemon = new DaemonUnderTest(join(root, 'daemon'))
  await using coordinator = connect({ address: daemon.address })
  const sink = new DatabaseSync(join(daemon.directory, 'sink.db'))
  sink.exec('CREATE TABLE t (id INTEGER PRIMARY KEY)')
  sink.close()

  await daemon.start()
  const { xid: before } = await coordinator.execute([insert(1)])
  await daemon.end('SIGTERM')
  const copy = join(root, 'copy')
  cpSync(daemon.dataDir, copy, { recursive: true })
  await daemon.start()
  const { xid: after, outcome } = await coordinator.execute([insert(2)])
  expect(outcome).toBe('committed')
  await daemon.end('SIGTERM')

  rmSync(daemon.dataDir, { recursive: true })
  cpSync(copy, daemon.dataDir, { recursive: true })
  await daemon.start({ participantsUp: 0 })
  await untilRefused(coordinator)
  expect(daemon.stderr).toMatch(/old copy, or a clone/)
  // What it has recorded stays true; what it hasn't, another copy may have.
  expect(await coordinator.get({ xid: before })).toMatchObject({ outcome: 'committed' })
  expect(await coordinator.get({ xid: before.replace(/\d+$/, '99') })).toMatchObject({ outcome: 'unknown' })
  expect(await codeOf(coordinator.get({ xid: after }))).toBe('FOREIGN_XID')

  await daemon.end('SIGKILL')
  await daemon.start({ participantsUp: 0 })
  expect(await codeOf(coordinator.execute([insert(3)]))).toBe('EPOCH_SUPERSEDED')
  const check = await pledged(['check', '--address', daemon.address])
  expect(check.code, check.stdout).toBe(2)
  await daemon.end('SIGKILL')

  const rows = new DatabaseSync(join(daemon.directory, 'sink.db'))
  expect(rows.prepare('SELECT id FROM t ORDER BY id').all()).toEqual([{ id: 1 }, { id: 2 }])
  rows.close()
})
